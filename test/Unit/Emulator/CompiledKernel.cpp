//===- CompiledKernel.cpp - Kernels of the compiler, to run and to break --===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CompiledKernel.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace dgemm;
using namespace dgemm::emulator;
using namespace dgemm::emulator::test;

GemmShape CompiledGemm::getShape(const GemmSizes &sizes, const std::string &dynamic, GemmShape shape) {
  auto pick = [&](char name, int64_t size) {
    return llvm::StringRef(dynamic).contains(name) ? GemmShape::kDynamic : size;
  };
  shape.layout = sizes.layout;
  shape.m = pick('m', sizes.m);
  shape.n = pick('n', sizes.n);
  shape.k = pick('k', sizes.k);
  shape.groups = pick('g', sizes.groups);
  for (auto [given, size] : {std::pair(sizes.lda, &shape.lda), {sizes.ldb, &shape.ldb}, {sizes.ldd, &shape.ldd}})
    if (given)
      *size = GemmShape::kDynamic;
  return shape;
}

llvm::Expected<CompiledGemm> CompiledGemm::compile(const GemmSizes &sizes, const std::string &config,
                                                   const std::string &dynamic, GemmShape shape,
                                                   llvm::ArrayRef<int64_t> groupRows) {
  CompileOptions options;
  options.config = config;
  llvm::Expected<CompiledKernel> kernel = compileKernel(getShape(sizes, dynamic, shape), options, Stage::PTX);
  if (!kernel)
    return kernel.takeError();
  CompiledGemm gemm;
  gemm.ptx = std::move(kernel->ptx);
  gemm.launch = std::move(kernel->launch);
  if (llvm::Error error = gemm.setSizes(sizes, groupRows))
    return std::move(error);
  return gemm;
}

llvm::Error CompiledGemm::setSizes(const GemmSizes &newSizes, llvm::ArrayRef<int64_t> groupRows) {
  sizes = newSizes;
  llvm::Expected<Sizes> bound = launch.bindSizes(sizes.toSizes());
  if (!bound)
    return bound.takeError();
  llvm::Expected<Recipe> recipe = Recipe::get(launch, *bound);
  if (!recipe)
    return recipe.takeError();
  llvm::Expected<GemmInputs> made = makeRandomInputs(sizes, 1, groupRows, launch.rowAlignment, *recipe);
  if (!made)
    return made.takeError();
  inputs = std::move(*made);
  reference = Reference::compute(inputs, CheckMode::Full, 1);
  return llvm::Error::success();
}

llvm::Expected<Report> CompiledGemm::run(uint64_t seed) {
  llvm::Expected<Sizes> bound = launch.bindSizes(sizes.toSizes());
  if (!bound)
    return bound.takeError();
  std::vector<std::vector<uint8_t>> bytes;
  std::vector<HostBuffer> buffers;
  std::optional<OperandLayout> result;
  size_t resultIndex = 0;
  for (const OperandInfo &operand : launch.operands) {
    llvm::Expected<OperandLayout> layout = OperandLayout::evaluate(operand, *bound);
    if (!layout)
      return layout.takeError();
    if (operand.isOutput) {
      result = *layout;
      resultIndex = bytes.size();
      bytes.emplace_back(layout->getNumBytes(), kPoison);
      if (const HostTensor *initial = inputs.find(operand.name))
        if (llvm::Error error = pack(*initial, *layout, kPoison).moveInto(bytes.back()))
          return std::move(error);
      continue;
    }
    if (llvm::Error error = pack(*inputs.find(operand.name), *layout, 0xff).moveInto(bytes.emplace_back()))
      return std::move(error);
  }
  for (size_t i = 0; i < bytes.size(); ++i)
    buffers.push_back({launch.operands[i].name, bytes[i].data(), bytes[i].size(), 0});
  Options options;
  options.seed = seed;
  options.multiprocessors = multiprocessors;
  options.livelockInstructions = 2000000;
  options.reconvergence = reconvergence;
  llvm::Expected<Report> report = emulator::run(ptx, launch, *bound, buffers, options);
  if (report && result)
    if (llvm::Error error = unpack(bytes[resultIndex], *result).moveInto(d))
      return std::move(error);
  return report;
}

std::vector<std::string> PtxEditor::lines() const {
  std::vector<std::string> result;
  for (llvm::StringRef line : llvm::split(ptx, '\n'))
    result.push_back(line.str());
  return result;
}

void PtxEditor::store(const std::vector<std::string> &lines) { ptx = llvm::join(lines, "\n"); }

int PtxEditor::find(const std::string &text, unsigned nth, int from) const {
  std::vector<std::string> all = lines();
  for (size_t i = from; i < all.size(); ++i)
    if (llvm::StringRef(all[i]).contains(text) && nth-- == 0)
      return int(i);
  return -1;
}

bool PtxEditor::remove(const std::string &text, unsigned nth) {
  int at = find(text, nth);
  if (at < 0)
    return false;
  std::vector<std::string> all = lines();
  all.erase(all.begin() + at);
  store(all);
  return true;
}

bool PtxEditor::removeAll(const std::string &text) {
  bool found = false;
  while (remove(text))
    found = true;
  return found;
}

bool PtxEditor::insertBefore(const std::string &text, const std::string &line, unsigned nth) {
  int at = find(text, nth);
  if (at < 0)
    return false;
  std::vector<std::string> all = lines();
  all.insert(all.begin() + at, line);
  store(all);
  return true;
}

bool PtxEditor::replaceIn(const std::string &where, const std::string &from, const std::string &to, unsigned nth) {
  int at = find(where, nth);
  std::vector<std::string> all = lines();
  size_t column = at < 0 ? std::string::npos : all[at].find(from);
  if (column == std::string::npos)
    return false;
  all[at].replace(column, from.size(), to);
  store(all);
  return true;
}

bool PtxEditor::replaceAll(const std::string &from, const std::string &to) {
  size_t at = ptx.find(from);
  bool found = at != std::string::npos;
  for (; at != std::string::npos; at = ptx.find(from, at + to.size()))
    ptx.replace(at, from.size(), to);
  return found;
}

std::string PtxEditor::getLine(int index) const {
  std::vector<std::string> all = lines();
  return index >= 0 && size_t(index) < all.size() ? all[index] : std::string();
}

bool PtxEditor::addToConstant(const std::string &text, unsigned index, int64_t delta, unsigned nth) {
  int at = find(text, nth);
  if (at < 0)
    return false;
  std::vector<std::string> all = lines();
  llvm::SmallVector<llvm::StringRef, 8> words;
  llvm::StringRef statement = all[at];
  statement.rtrim("; \t").split(words, ',');
  if (index >= words.size())
    return false;
  std::string reg = words[index].trim().str();
  int64_t value = 0;
  if (reg[0] != '%') {
    if (llvm::StringRef(reg).getAsInteger(10, value))
      return false;
  } else {
    for (int i = at; i >= 0; --i) {
      llvm::StringRef line = llvm::StringRef(all[i]).trim();
      if (line.starts_with("mov.b32") && line.contains(reg + ","))
        if (!line.rsplit(',').second.rtrim(';').trim().getAsInteger(10, value))
          break;
    }
    if (value == 0)
      return false;
  }
  size_t column = all[at].rfind(reg);
  all[at].replace(column, reg.size(), std::to_string(value + delta));
  store(all);
  return true;
}
