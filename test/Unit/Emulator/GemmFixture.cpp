//===- GemmFixture.cpp - A small hand-written GEMM ------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GemmFixture.h"
#include <cmath>
#include <cstring>
#include <random>

using namespace dgemm;
using namespace dgemm::emulator;
using namespace dgemm::emulator::test;

namespace {

constexpr int kBM = 64, kBN = 64;
constexpr unsigned kRegs = kBN / 2;

std::string list(const char *prefix) {
  std::string text = "{";
  for (unsigned i = 0; i < kRegs; ++i)
    text += (i ? ", " : "") + std::string(prefix) + std::to_string(i);
  return text + "}";
}

/// Replaces @NAME@ in a template.
std::string fill(std::string text, std::initializer_list<std::pair<const char *, std::string>> values) {
  for (auto [name, value] : values) {
    std::string key = "@" + std::string(name) + "@";
    for (size_t at; (at = text.find(key)) != std::string::npos;)
      text.replace(at, key.size(), value);
  }
  return text;
}

const char *kHead = R"(.version 8.6
.target sm_90a
.address_size 64
.extern .shared .align 1024 .b8 smem[];
.visible .entry gemm(
	.param .align 64 .b8 gemm_param_0[128],
	.param .align 64 .b8 gemm_param_1[128],
	.param .align 64 .b8 gemm_param_2[128],
	.param .align 64 .b8 gemm_param_3[128],
	.param .u64 .ptr .global .align 4 gemm_param_4,
	.param .u32 gemm_param_5,
	.param .u32 gemm_param_6,
	.param .u32 gemm_param_7
)
.reqntid 256
.minnctapersm 1
{
	.reg .pred %p<20>;
	.reg .b32 %r<80>;
	.reg .b64 %rd<40>;
	.reg .b32 %acc<32>;
	.reg .b32 %part<32>;
	ld.param.b32 %r1, [gemm_param_5];
	ld.param.b32 %r2, [gemm_param_6];
	ld.param.b32 %r3, [gemm_param_7];
	mov.u32 %r4, %tid.x;
	shr.u32 %r5, %r4, 5;
	shfl.sync.idx.b32 %r5, %r5, 0, 31, -1;
	and.b32 %r6, %r4, 31;
	mov.b64 %rd1, gemm_param_0;
	cvta.param.u64 %rd1, %rd1;
	mov.b64 %rd2, gemm_param_1;
	cvta.param.u64 %rd2, %rd2;
	mov.b64 %rd3, gemm_param_2;
	cvta.param.u64 %rd3, %rd3;
	mov.b64 %rd4, gemm_param_3;
	cvta.param.u64 %rd4, %rd4;
	ld.param.b64 %rd5, [gemm_param_4];
	cvta.to.global.u64 %rd5, %rd5;
	add.s32 %r7, %r2, 63;
	shr.u32 %r7, %r7, 6;
	add.s32 %r8, %r1, 63;
	shr.u32 %r8, %r8, 6;
	mul.lo.s32 %r8, %r8, %r7;
	add.s32 %r9, %r3, 127;
	shr.u32 %r9, %r9, 7;
	mov.b32 %r10, smem;
	elect.sync %r11|%p1, -1;
	setp.eq.s32 %p2, %r5, 0;
	and.pred %p3, %p1, %p2;
	@!%p3 bra $L_INIT_DONE;
	mov.b32 %r12, 0;
$L_INIT:
	shl.b32 %r13, %r12, 3;
	add.s32 %r13, %r13, %r10;
	mbarrier.init.shared::cta.b64 [%r13+@FULL@], 1;
	mbarrier.init.shared::cta.b64 [%r13+@EMPTY@], 4;
	add.s32 %r12, %r12, 1;
	setp.lt.s32 %p4, %r12, @STAGES@;
	@%p4 bra $L_INIT;
	fence.mbarrier_init.release.cluster;
$L_INIT_DONE:
	bar.sync 0;
	mov.u32 %r14, %ctaid.x;
	mov.u32 %r15, %nctaid.x;
	mov.b32 %r16, 0;
	mov.b32 %r17, 0;
	setp.gt.u32 %p5, %r5, 3;
	@!%p5 bra $L_MATH;
)";

const char *kProducer = R"(	setmaxnreg.dec.sync.aligned.u32 40;
	setp.eq.s32 %p6, %r5, 4;
	and.pred %p6, %p6, %p1;
	@!%p6 bra $L_DONE;
$L_PTILE:
	setp.ge.s32 %p7, %r14, %r8;
	@%p7 bra $L_DONE;
	div.s32 %r20, %r14, %r7;
	rem.s32 %r21, %r14, %r7;
	shl.b32 %r20, %r20, 6;
	shl.b32 %r21, %r21, 6;
	mov.b32 %r22, 0;
$L_PK:
	shl.b32 %r23, %r16, 3;
	add.s32 %r23, %r23, %r10;
	xor.b32 %r24, %r17, 1;
$L_PWAIT:
	mbarrier.try_wait.parity.shared::cta.b64 %p8, [%r23+@EMPTY@], %r24;
	@!%p8 bra $L_PWAIT;
	mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r23+@FULL@], 16640;
	shl.b32 %r25, %r16, 13;
	add.s32 %r25, %r25, %r10;
	shl.b32 %r26, %r16, 8;
	add.s32 %r26, %r26, %r10;
	add.s32 %r27, %r25, @A@;
	add.s32 %r28, %r25, @B@;
	add.s32 %r29, %r26, @SA@;
	add.s32 %r30, %r23, @FULL@;
	shl.b32 %r31, %r22, 7;
	cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%r27], [%rd1, {%r31, %r20}], [%r30];
	cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%r28], [%rd2, {%r31, %r21}], [%r30];
	cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%r29], [%rd3, {%r20, %r22}], [%r30];
	add.s32 %r16, %r16, 1;
	setp.eq.s32 %p9, %r16, @STAGES@;
	selp.b32 %r16, 0, %r16, %p9;
	selp.b32 %r32, 1, 0, %p9;
	xor.b32 %r17, %r17, %r32;
	add.s32 %r22, %r22, 1;
	setp.lt.s32 %p10, %r22, %r9;
	@%p10 bra $L_PK;
	add.s32 %r14, %r14, %r15;
	bra.uni $L_PTILE;
)";

const char *kMathTop = R"($L_MATH:
	setmaxnreg.inc.sync.aligned.u32 256;
	shl.b32 %r40, %r5, 4;
	shr.u32 %r41, %r6, 2;
	add.s32 %r40, %r40, %r41;
	shl.b32 %r42, %r40, 2;
$L_MTILE:
	setp.ge.s32 %p7, %r14, %r8;
	@%p7 bra $L_MDONE;
	div.s32 %r20, %r14, %r7;
	rem.s32 %r21, %r14, %r7;
	shl.b32 %r20, %r20, 6;
	shl.b32 %r21, %r21, 6;
	shr.u32 %r43, %r21, 7;
	mul.lo.s32 %r43, %r43, %r9;
	mul.wide.s32 %rd10, %r43, 4;
	add.s64 %rd10, %rd10, %rd5;
	mov.b32 %r22, 0;
@ZERO@
$L_MK:
	shl.b32 %r23, %r16, 3;
	add.s32 %r23, %r23, %r10;
$L_MWAIT:
	mbarrier.try_wait.parity.shared::cta.b64 %p8, [%r23+@FULL@], %r17;
	@!%p8 bra $L_MWAIT;
	shl.b32 %r26, %r16, 8;
	add.s32 %r26, %r26, %r10;
	add.s32 %r26, %r26, %r42;
	ld.shared.b32 %r44, [%r26+@SA@];
	ld.shared.b32 %r45, [%r26+@SB@];
	ld.global.nc.b32 %r46, [%rd10];
	add.s64 %rd10, %rd10, 4;
	mul.rn.f32 %r44, %r44, %r46;
	mul.rn.f32 %r45, %r45, %r46;
	shl.b32 %r25, %r16, 13;
	add.s32 %r25, %r25, %r10;
	add.s32 %r47, %r25, @A@;
	shr.u32 %r47, %r47, 4;
	cvt.u64.u32 %rd11, %r47;
	or.b64 %rd11, %rd11, 4611686293305294848;
	add.s32 %r48, %r25, @B@;
	shr.u32 %r48, %r48, 4;
	cvt.u64.u32 %rd12, %r48;
	or.b64 %rd12, %rd12, 4611686293305294848;
	wgmma.fence.sync.aligned;
@WGMMA@
	wgmma.commit_group.sync.aligned;
	wgmma.wait_group.sync.aligned 0;
	@%p1 mbarrier.arrive.shared::cta.b64 _, [%r23+@EMPTY@];
@PROMOTE@
	add.s32 %r16, %r16, 1;
	setp.eq.s32 %p9, %r16, @STAGES@;
	selp.b32 %r16, 0, %r16, %p9;
	selp.b32 %r32, 1, 0, %p9;
	xor.b32 %r17, %r17, %r32;
	add.s32 %r22, %r22, 1;
	setp.lt.s32 %p10, %r22, %r9;
	@%p10 bra $L_MK;
)";

// Rows of 128 bytes, 128-byte swizzle: 16-byte unit u of row r stands at u ^ (r % 8).
const char *kEpilogue = R"(	cp.async.bulk.wait_group.read 0;
	bar.sync 1, 128;
	and.b32 %r50, %r6, 15;
	shl.b32 %r51, %r5, 4;
	add.s32 %r50, %r50, %r51;
	shl.b32 %r51, %r50, 7;
	add.s32 %r51, %r51, %r10;
	and.b32 %r52, %r50, 7;
	shr.u32 %r53, %r6, 4;
@STORE@
	fence.proxy.async.shared::cta;
	bar.sync 1, 128;
	@!%p3 bra $L_STORED;
	cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%rd4, {%r21, %r20}], [%r10];
	cp.async.bulk.commit_group;
$L_STORED:
	add.s32 %r14, %r14, %r15;
	bra.uni $L_MTILE;
$L_MDONE:
	cp.async.bulk.wait_group 0;
$L_DONE:
	ret;
}
)";

std::string wgmmas() {
  std::string text;
  for (int i = 0; i < 4; ++i) {
    std::string s = std::to_string(i);
    text += "\t// begin inline asm\n\t{\n.reg .pred p;\n.reg .b64 da, db;\nsetp.ne.b32 p, " + std::to_string(i != 0) +
            ", 0;\nadd.s64 da, %rd11, " + std::to_string(2 * i) + ";\nadd.s64 db, %rd12, " + std::to_string(2 * i) +
            ";\nwgmma.mma_async.sync.aligned.m64n64k32.f32.e4m3.e4m3 " + list("%part") +
            ", da, db, p, 1, 1;\n}\n\t// end inline asm\n";
  }
  return text;
}

std::string makePtx(unsigned stages) {
  unsigned aOffset = 8192, bOffset = aOffset + stages * 8192, saOffset = bOffset + stages * 8192;
  unsigned full = saOffset + stages * 256, empty = full + stages * 8;
  std::string zero, promote, store;
  for (unsigned i = 0; i < kRegs; ++i) {
    std::string s = std::to_string(i);
    zero += "\tmov.b32 %acc" + s + ", 0f00000000;\n";
    promote += "\tfma.rn.f32 %acc" + s + ", %part" + s + ", " + (i % 4 < 2 ? "%r44" : "%r45") + ", %acc" + s + ";\n";
  }
  for (unsigned group = 0; group < kBN / 16; ++group) {
    for (unsigned j = 0; j < 4; ++j) {
      unsigned first = group * 8 + j * 2;
      store += "\tcvt.rn.bf16x2.f32 %r" + std::to_string(60 + j) + ", %acc" + std::to_string(first + 1) + ", %acc" +
               std::to_string(first) + ";\n";
    }
    store += "\tadd.s32 %r54, %r53, " + std::to_string(group * 2) +
             ";\n\txor.b32 %r54, %r54, %r52;\n\tshl.b32 %r54, %r54, 4;\n\tadd.s32 %r54, %r54, %r51;\n"
             "\tstmatrix.sync.aligned.m8n8.x4.shared.b16 [%r54], {%r60, %r61, %r62, %r63};\n";
  }
  return fill(std::string(kHead) + kProducer + kMathTop + kEpilogue, {{"ZERO", zero},
                                                                      {"WGMMA", wgmmas()},
                                                                      {"PROMOTE", promote},
                                                                      {"STORE", store},
                                                                      {"SB", std::to_string(saOffset + 32)},
                                                                      {"STAGES", std::to_string(stages)},
                                                                      {"FULL", std::to_string(full)},
                                                                      {"EMPTY", std::to_string(empty)},
                                                                      {"A", std::to_string(aOffset)},
                                                                      {"B", std::to_string(bOffset)},
                                                                      {"SA", std::to_string(saOffset)}});
}

ParameterInfo mapParameter(const char *operand, ElementType type, int64_t d0, int64_t d1, int64_t pitch, int64_t b0,
                           int64_t b1, int64_t swizzle) {
  ParameterInfo info;
  info.kind = ParameterInfo::Kind::TensorMap;
  info.name = std::string("map_") + operand;
  info.tensorMap.operand = operand;
  info.tensorMap.type = type;
  info.tensorMap.dims = {d0, d1};
  info.tensorMap.strides = {pitch};
  info.tensorMap.box = {b0, b1};
  info.tensorMap.elementStrides = {1, 1};
  info.tensorMap.swizzle = swizzle;
  return info;
}

double fromE4M3(uint8_t bits) {
  int exponent = (bits >> 3) & 15, mantissa = bits & 7;
  double value = exponent ? std::ldexp(8 + mantissa, exponent - 10) : std::ldexp(mantissa, -9);
  return bits & 0x80 ? -value : value;
}

} // namespace

void Gemm::build() {
  ptx = makePtx(stages);
  int64_t kBlocks = (k + 127) / 128, nBlocks = (n + 127) / 128;
  launch = LaunchDescriptor();
  launch.entry = "gemm";
  launch.target = "sm_90a";
  launch.threads = 256;
  launch.sharedMemory = 8192 + stages * (16384 + 256 + 16);
  launch.tiles = (m + kBM - 1) / kBM * ((n + kBN - 1) / kBN);
  launch.operands = {{"a", ElementType::F8E4M3FN, {m, k}, {k, 1}, false},
                     {"scale_a", ElementType::F32, {kBlocks, m}, {pitchM(), 1}, false, {{1, 128}}},
                     {"b", ElementType::F8E4M3FN, {n, k}, {k, 1}, false},
                     {"scale_b", ElementType::F32, {nBlocks, kBlocks}, {kBlocks, 1}, false, {{128, 128}}},
                     {"d", ElementType::BF16, {m, n}, {n, 1}, true}};
  launch.parameters = {mapParameter("a", ElementType::F8E4M3FN, k, m, k, 128, kBM, 128),
                       mapParameter("b", ElementType::F8E4M3FN, k, n, k, 128, kBN, 128),
                       mapParameter("scale_a", ElementType::F32, m, kBlocks, pitchM() * 4, kBM, 1, 0),
                       mapParameter("d", ElementType::BF16, n, m, n * 2, kBN, kBM, 128)};
  ParameterInfo pointer;
  pointer.name = pointer.operand = "scale_b";
  launch.parameters.push_back(pointer);
  for (int64_t size : {m, n, k}) {
    ParameterInfo info;
    info.kind = ParameterInfo::Kind::Size;
    info.name = "size";
    info.value = size;
    launch.parameters.push_back(info);
  }
  std::mt19937 rng(7);
  auto byte = [&] { return uint8_t((rng() % 0x60) | (rng() % 2 ? 0x80 : 0)); };
  a.resize(m * k);
  b.resize(n * k);
  std::generate(a.begin(), a.end(), byte);
  std::generate(b.begin(), b.end(), byte);
  scaleA.resize(kBlocks * pitchM());
  scaleB.resize(nBlocks * kBlocks);
  for (float &scale : scaleA)
    scale = 0.5f + float(rng() % 1000) / 1000;
  for (float &scale : scaleB)
    scale = 0.5f + float(rng() % 1000) / 1000;
}

llvm::Expected<Report> Gemm::run(uint64_t seed, const std::string &trace) {
  d.assign(m * n, 0xffff);
  std::vector<HostBuffer> buffers = {{"a", a.data(), a.size(), 0},
                                     {"scale_a", scaleA.data(), scaleA.size() * 4, 0},
                                     {"b", b.data(), b.size(), 0},
                                     {"scale_b", scaleB.data(), scaleB.size() * 4, 0},
                                     {"d", d.data(), d.size() * 2, 0}};
  Options options;
  options.seed = seed;
  options.multiprocessors = multiprocessors;
  options.accumulator = accumulator;
  options.tracePath = trace;
  options.livelockInstructions = 1000000;
  return emulator::run(ptx, launch, Sizes(), buffers, options);
}

double Gemm::difference() const {
  double table[256];
  for (unsigned i = 0; i < 256; ++i)
    table[i] = fromE4M3(uint8_t(i));
  int64_t kBlocks = (k + 127) / 128;
  double xy = 0, xx = 0;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t block = 0; block < kBlocks; ++block) {
        double part = 0;
        for (int64_t l = block * 128; l < std::min(k, block * 128 + 128); ++l)
          part += table[a[i * k + l]] * table[b[j * k + l]];
        sum += part * scaleA[block * pitchM() + i] * scaleB[j / 128 * kBlocks + block];
      }
      uint32_t wide = uint32_t(d[i * n + j]) << 16;
      float value;
      std::memcpy(&value, &wide, 4);
      xy += 2 * sum * value;
      xx += sum * sum + double(value) * value;
    }
  return 1 - xy / xx;
}

bool Gemm::replace(const std::string &from, const std::string &to, bool all) {
  size_t at = ptx.find(from);
  if (at == std::string::npos)
    return false;
  for (; at != std::string::npos; at = all ? ptx.find(from, at + to.size()) : std::string::npos)
    ptx.replace(at, from.size(), to);
  return true;
}
