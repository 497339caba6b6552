//===- ReadyMadeEpilogues.cpp - Epilogues that have names -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ReadEpilogue.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace dgemm;

namespace {
struct ReadyMade {
  llvm::StringLiteral name, text;
};
} // namespace

// Functions of the element (gated: of two), and of operands that an attribute describes. Sigmoids are computed with
// tanh, which takes one instruction of the special function unit; an exponential and a quotient take two.
static constexpr ReadyMade kReadyMade[] = {
    {"bias", R"(
func.func @bias(%x: f32, %bias: f32 {dgemm.operand = #dgemm.epilogue_operand<name = "bias", along = n, element = f32>}) -> f32 {
  %y = arith.addf %x, %bias : f32
  return %y : f32
})"},
    {"residual", R"(
func.func @residual(%x: f32, %residual: f32 {dgemm.operand = #dgemm.epilogue_operand<name = "residual", along = mn, element = f32>}) -> f32 {
  %y = arith.addf %x, %residual : f32
  return %y : f32
})"},
    {"alpha", R"(
func.func @alpha(%x: f32, %alpha: f32 {dgemm.operand = #dgemm.epilogue_operand<name = "alpha", along = none, element = f32>}) -> f32 {
  %y = arith.mulf %x, %alpha : f32
  return %y : f32
})"},
    {"scale", R"(
func.func @scale(%x: f32, %scale: f32 {dgemm.operand = #dgemm.epilogue_operand<name = "scale", along = none, element = f32>}) -> f32 {
  %y = arith.mulf %x, %scale : f32
  return %y : f32
})"},
    {"row_scale", R"(
func.func @row_scale(%x: f32, %scale: f32 {dgemm.operand = #dgemm.epilogue_operand<name = "row_scale", along = m, element = f32>}) -> f32 {
  %y = arith.mulf %x, %scale : f32
  return %y : f32
})"},
    {"relu", R"(
func.func @relu(%x: f32) -> f32 {
  %zero = arith.constant 0.0 : f32
  %y = arith.maximumf %x, %zero : f32
  return %y : f32
})"},
    {"relu2", R"(
func.func @relu2(%x: f32) -> f32 {
  %zero = arith.constant 0.0 : f32
  %positive = arith.maximumf %x, %zero : f32
  %y = arith.mulf %positive, %positive : f32
  return %y : f32
})"},
    // x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
    {"gelu", R"(
func.func @gelu(%x: f32) -> f32 {
  %c1 = arith.constant 0.797884561 : f32
  %c3 = arith.constant 0.0356774081 : f32
  %half = arith.constant 0.5 : f32
  %square = arith.mulf %x, %x : f32
  %slope = math.fma %square, %c3, %c1 : f32
  %inner = arith.mulf %x, %slope : f32
  %tanh = math.tanh %inner fastmath<afn> : f32
  %part = arith.mulf %x, %half : f32
  %y = math.fma %part, %tanh, %part : f32
  return %y : f32
})"},
    // x/2 (1 + erf(x / sqrt(2)))
    {"gelu_erf", R"(
func.func @gelu_erf(%x: f32) -> f32 {
  %c = arith.constant 0.707106769 : f32
  %half = arith.constant 0.5 : f32
  %inner = arith.mulf %x, %c : f32
  %erf = math.erf %inner fastmath<afn> : f32
  %part = arith.mulf %x, %half : f32
  %y = math.fma %part, %erf, %part : f32
  return %y : f32
})"},
    // x / (1 + exp(-x)) = x/2 (1 + tanh(x/2))
    {"silu", R"(
func.func @silu(%x: f32) -> f32 {
  %half = arith.constant 0.5 : f32
  %part = arith.mulf %x, %half : f32
  %tanh = math.tanh %part fastmath<afn> : f32
  %y = math.fma %part, %tanh, %part : f32
  return %y : f32
})"},
    {"sigmoid", R"(
func.func @sigmoid(%x: f32) -> f32 {
  %half = arith.constant 0.5 : f32
  %part = arith.mulf %x, %half : f32
  %tanh = math.tanh %part fastmath<afn> : f32
  %y = math.fma %tanh, %half, %half : f32
  return %y : f32
})"},
    {"tanh", R"(
func.func @tanh(%x: f32) -> f32 {
  %y = math.tanh %x fastmath<afn> : f32
  return %y : f32
})"},
    // silu(gate) up
    {"swiglu", R"(
func.func @swiglu(%gate: f32, %up: f32) -> f32 attributes {dgemm.gated} {
  %half = arith.constant 0.5 : f32
  %part = arith.mulf %gate, %half : f32
  %tanh = math.tanh %part fastmath<afn> : f32
  %silu = math.fma %part, %tanh, %part : f32
  %y = arith.mulf %silu, %up : f32
  return %y : f32
})"},
    // gelu(gate) up
    {"geglu", R"(
func.func @geglu(%gate: f32, %up: f32) -> f32 attributes {dgemm.gated} {
  %c1 = arith.constant 0.797884561 : f32
  %c3 = arith.constant 0.0356774081 : f32
  %half = arith.constant 0.5 : f32
  %square = arith.mulf %gate, %gate : f32
  %slope = math.fma %square, %c3, %c1 : f32
  %inner = arith.mulf %gate, %slope : f32
  %tanh = math.tanh %inner fastmath<afn> : f32
  %part = arith.mulf %gate, %half : f32
  %gelu = math.fma %part, %tanh, %part : f32
  %y = arith.mulf %gelu, %up : f32
  return %y : f32
})"},
};

llvm::StringRef dgemm::getReadyMadeEpilogue(llvm::StringRef name) {
  const auto *found = llvm::find_if(kReadyMade, [&](const ReadyMade &entry) { return entry.name == name; });
  return found == std::end(kReadyMade) ? llvm::StringRef() : llvm::StringRef(found->text);
}

std::string dgemm::listReadyMadeEpilogues() {
  return llvm::join(llvm::map_range(kReadyMade, [](const ReadyMade &entry) { return entry.name; }), ", ");
}
