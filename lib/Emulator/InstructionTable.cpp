//===- InstructionTable.cpp - The PTX that the emulator knows -------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "InstructionTable.h"
#include "Handlers.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSwitch.h"

using namespace dgemm::emulator;
using llvm::StringRef;

unsigned dgemm::emulator::getByteWidth(Type type) {
  switch (type) {
  case Type::B8:
  case Type::U8:
  case Type::S8:
    return 1;
  case Type::B16:
  case Type::U16:
  case Type::S16:
  case Type::F16:
  case Type::BF16:
  case Type::E4M3x2:
  case Type::E5M2x2:
    return 2;
  case Type::B64:
  case Type::U64:
  case Type::S64:
  case Type::F64:
    return 8;
  case Type::B128:
    return 16;
  case Type::None:
  case Type::Pred:
    return 0;
  default:
    return 4;
  }
}

bool dgemm::emulator::isSigned(Type type) {
  return type == Type::S8 || type == Type::S16 || type == Type::S32 || type == Type::S64;
}

namespace {

/// One literal of a class and the field that it sets.
struct Literal {
  const char *text;
  Field field;
  unsigned value;
};

constexpr unsigned v(Type t) { return unsigned(t); }
constexpr unsigned v(Space t) { return unsigned(t); }
constexpr unsigned v(Compare t) { return unsigned(t); }
constexpr unsigned v(Logic t) { return unsigned(t); }
constexpr unsigned v(Round t) { return unsigned(t); }
constexpr unsigned v(AtomicOp t) { return unsigned(t); }
constexpr unsigned v(Scope t) { return unsigned(t); }
constexpr unsigned v(Order t) { return unsigned(t); }
/// Values of Field::Cache: a cache operator (.ca, ...), a priority or prefetch size, .nc.
constexpr unsigned kOperator = 1, kPriority = 2, kNonCoherent = 3;

#define DGEMM_TYPES(FIELD)                                                                                             \
  {"b8", FIELD, v(Type::B8)}, {"u8", FIELD, v(Type::U8)}, {"s8", FIELD, v(Type::S8)}, {"b16", FIELD, v(Type::B16)},    \
      {"u16", FIELD, v(Type::U16)}, {"s16", FIELD, v(Type::S16)}, {"f16", FIELD, v(Type::F16)},                        \
      {"bf16", FIELD, v(Type::BF16)}, {"b32", FIELD, v(Type::B32)}, {"u32", FIELD, v(Type::U32)},                      \
      {"s32", FIELD, v(Type::S32)}, {"f32", FIELD, v(Type::F32)}, {"b64", FIELD, v(Type::B64)},                        \
      {"u64", FIELD, v(Type::U64)}, {                                                                                  \
    "s64", FIELD, v(Type::S64)                                                                                         \
  }

// The types of a register of 16 to 64 bits; halves are bits there.
#define DGEMM_WORD_TYPES                                                                                               \
  {"b16", Field::Type, v(Type::B16)}, {"u16", Field::Type, v(Type::U16)}, {"s16", Field::Type, v(Type::S16)},          \
      {"b32", Field::Type, v(Type::B32)}, {"u32", Field::Type, v(Type::U32)}, {"s32", Field::Type, v(Type::S32)},      \
      {"f32", Field::Type, v(Type::F32)}, {"b64", Field::Type, v(Type::B64)}, {"u64", Field::Type, v(Type::U64)}, {    \
    "s64", Field::Type, v(Type::S64)                                                                                   \
  }

const Literal kType[] = {DGEMM_TYPES(Field::Type)};
const Literal kFrom[] = {DGEMM_TYPES(Field::Type2)};
const Literal kWord[] = {DGEMM_WORD_TYPES};
const Literal kMemory[] = {DGEMM_WORD_TYPES,
                           {"b8", Field::Type, v(Type::B8)},
                           {"u8", Field::Type, v(Type::U8)},
                           {"s8", Field::Type, v(Type::S8)}};
const Literal kSigned[] = {
    {"s16", Field::Type, v(Type::S16)}, {"s32", Field::Type, v(Type::S32)}, {"s64", Field::Type, v(Type::S64)}};
const Literal kWideInt[] = {{"u32", Field::Type, v(Type::U32)},
                            {"s32", Field::Type, v(Type::S32)},
                            {"u64", Field::Type, v(Type::U64)},
                            {"s64", Field::Type, v(Type::S64)}};
const Literal kInt32[] = {{"u32", Field::Type, v(Type::U32)}, {"s32", Field::Type, v(Type::S32)}};
const Literal kInt[] = {{"u16", Field::Type, v(Type::U16)}, {"s16", Field::Type, v(Type::S16)},
                        {"u32", Field::Type, v(Type::U32)}, {"s32", Field::Type, v(Type::S32)},
                        {"u64", Field::Type, v(Type::U64)}, {"s64", Field::Type, v(Type::S64)}};
const Literal kBits[] = {
    {"b16", Field::Type, v(Type::B16)}, {"b32", Field::Type, v(Type::B32)}, {"b64", Field::Type, v(Type::B64)}};
const Literal kBits32[] = {{"b32", Field::Type, v(Type::B32)}, {"b64", Field::Type, v(Type::B64)}};
const Literal kAddr[] = {{"u64", Field::Type, v(Type::U64)}, {"u32", Field::Type, v(Type::U32)}};
const Literal kPred[] = {{"pred", Field::Type, v(Type::Pred)}};
const Literal kF32[] = {{"f32", Field::Type, v(Type::F32)}};
const Literal kHalf[] = {{"f16", Field::Type, v(Type::F16)}, {"bf16", Field::Type, v(Type::BF16)}};
const Literal kPacked[] = {{"bf16x2", Field::Type, v(Type::BF16x2)}, {"f16x2", Field::Type, v(Type::F16x2)}};
const Literal kFp8Pair[] = {{"e4m3x2", Field::Type, v(Type::E4M3x2)}, {"e5m2x2", Field::Type, v(Type::E5M2x2)}};
const Literal kFloat[] = {{"f32", Field::Type, v(Type::F32)},
                          {"f16", Field::Type, v(Type::F16)},
                          {"bf16", Field::Type, v(Type::BF16)},
                          {"f16x2", Field::Type, v(Type::F16x2)},
                          {"bf16x2", Field::Type, v(Type::BF16x2)}};
const Literal kAnd[] = {{"and", Field::Logic, v(Logic::And)}};
const Literal kOr[] = {{"or", Field::Logic, v(Logic::Or)}};
const Literal kXor[] = {{"xor", Field::Logic, v(Logic::Xor)}};
const Literal kLogic[] = {
    {"and", Field::Logic, v(Logic::And)}, {"or", Field::Logic, v(Logic::Or)}, {"xor", Field::Logic, v(Logic::Xor)}};
const Literal kAbs[] = {{"abs", Field::Mode, 1}};
const Literal kCompare[] = {{"eq", Field::Compare, v(Compare::Eq)},   {"ne", Field::Compare, v(Compare::Ne)},
                            {"lt", Field::Compare, v(Compare::Lt)},   {"le", Field::Compare, v(Compare::Le)},
                            {"gt", Field::Compare, v(Compare::Gt)},   {"ge", Field::Compare, v(Compare::Ge)},
                            {"lo", Field::Compare, v(Compare::Lo)},   {"ls", Field::Compare, v(Compare::Ls)},
                            {"hi", Field::Compare, v(Compare::Hi)},   {"hs", Field::Compare, v(Compare::Hs)},
                            {"equ", Field::Compare, v(Compare::Equ)}, {"neu", Field::Compare, v(Compare::Neu)},
                            {"ltu", Field::Compare, v(Compare::Ltu)}, {"leu", Field::Compare, v(Compare::Leu)},
                            {"gtu", Field::Compare, v(Compare::Gtu)}, {"geu", Field::Compare, v(Compare::Geu)},
                            {"num", Field::Compare, v(Compare::Num)}, {"nan", Field::Compare, v(Compare::Nan)}};
const Literal kRound[] = {{"rn", Field::Round, v(Round::Rn)},
                          {"rni", Field::Round, v(Round::Rni)},
                          {"rzi", Field::Round, v(Round::Rzi)},
                          {"rmi", Field::Round, v(Round::Rmi)},
                          {"rpi", Field::Round, v(Round::Rpi)}};
const Literal kFtz[] = {{"ftz", Field::Ftz, 1}};
const Literal kNan[] = {{"NaN", Field::Nan, 1}};
const Literal kRelu[] = {{"relu", Field::Sat, 1}};
const Literal kSem[] = {{"weak", Field::Order, v(Order::Weak)},
                        {"relaxed", Field::Order, v(Order::Relaxed)},
                        {"volatile", Field::Order, v(Order::Volatile)},
                        {"acquire", Field::Order, v(Order::Acquire)},
                        {"release", Field::Order, v(Order::Release)}};
const Literal kAtomSem[] = {{"relaxed", Field::Order, v(Order::Relaxed)},
                            {"acquire", Field::Order, v(Order::Acquire)},
                            {"release", Field::Order, v(Order::Release)},
                            {"acq_rel", Field::Order, v(Order::AcqRel)}};
const Literal kScope[] = {{"cta", Field::Scope, v(Scope::Cta)},
                          {"cluster", Field::Scope, v(Scope::Cluster)},
                          {"gpu", Field::Scope, v(Scope::Gpu)},
                          {"sys", Field::Scope, v(Scope::Sys)}};
const Literal kMembar[] = {
    {"cta", Field::Scope, v(Scope::Cta)}, {"gl", Field::Scope, v(Scope::Gpu)}, {"sys", Field::Scope, v(Scope::Sys)}};
const Literal kSpace[] = {{"global", Field::Space, v(Space::Global)},
                          {"shared", Field::Space, v(Space::Shared)},
                          {"shared::cta", Field::Space, v(Space::Shared)},
                          {"shared::cluster", Field::Space, v(Space::SharedCluster)}};
const Literal kShared[] = {{"shared", Field::Space, v(Space::Shared)}, {"shared::cta", Field::Space, v(Space::Shared)}};
const Literal kSharedAny[] = {{"shared", Field::Space, v(Space::Shared)},
                              {"shared::cta", Field::Space, v(Space::Shared)},
                              {"shared::cluster", Field::Space, v(Space::SharedCluster)}};
const Literal kDst[] = {{"shared::cta", Field::Space, v(Space::Shared)},
                        {"shared::cluster", Field::Space, v(Space::SharedCluster)}};
const Literal kWindow[] = {{"global", Field::Space, v(Space::Global)},
                           {"shared", Field::Space, v(Space::Shared)},
                           {"shared::cta", Field::Space, v(Space::Shared)},
                           {"shared::cluster", Field::Space, v(Space::SharedCluster)},
                           {"param", Field::Space, v(Space::Param)}};
const Literal kTo[] = {{"to", Field::Mode, 1}};
const Literal kVector[] = {{"v2", Field::Vector, 2}, {"v4", Field::Vector, 4}};
const Literal kEvict[] = {{"L1::evict_normal", Field::Cache, kPriority},
                          {"L1::evict_unchanged", Field::Cache, kPriority},
                          {"L1::evict_first", Field::Cache, kPriority},
                          {"L1::evict_last", Field::Cache, kPriority},
                          {"L1::no_allocate", Field::Cache, kPriority}};
const Literal kLoadOperator[] = {{"ca", Field::Cache, kOperator},
                                 {"cg", Field::Cache, kOperator},
                                 {"cs", Field::Cache, kOperator},
                                 {"lu", Field::Cache, kOperator},
                                 {"cv", Field::Cache, kOperator}};
const Literal kStoreOperator[] = {{"wb", Field::Cache, kOperator},
                                  {"cg", Field::Cache, kOperator},
                                  {"cs", Field::Cache, kOperator},
                                  {"wt", Field::Cache, kOperator}};
const Literal kNc[] = {{"nc", Field::Cache, kNonCoherent}};
const Literal kPrefetch[] = {
    {"L2::64B", Field::Cache, kPriority}, {"L2::128B", Field::Cache, kPriority}, {"L2::256B", Field::Cache, kPriority}};
const Literal kHint[] = {{"L2::cache_hint", Field::CacheHint, 1}};
const Literal kMulticast[] = {{"multicast::cluster", Field::Multicast, 1}};
const Literal kDim[] = {
    {"1d", Field::Dim, 1}, {"2d", Field::Dim, 2}, {"3d", Field::Dim, 3}, {"4d", Field::Dim, 4}, {"5d", Field::Dim, 5}};
const Literal kRead[] = {{"read", Field::Read, 1}};
const Literal kReduce[] = {{"add", Field::Atomic, v(AtomicOp::Add)}, {"min", Field::Atomic, v(AtomicOp::Min)},
                           {"max", Field::Atomic, v(AtomicOp::Max)}, {"and", Field::Atomic, v(AtomicOp::And)},
                           {"or", Field::Atomic, v(AtomicOp::Or)},   {"xor", Field::Atomic, v(AtomicOp::Xor)},
                           {"inc", Field::Atomic, v(AtomicOp::Inc)}, {"dec", Field::Atomic, v(AtomicOp::Dec)}};
const Literal kReduceInt[] = {{"add", Field::Atomic, v(AtomicOp::Add)},
                              {"min", Field::Atomic, v(AtomicOp::Min)},
                              {"max", Field::Atomic, v(AtomicOp::Max)}};
const Literal kReduceBits[] = {{"and", Field::Atomic, v(AtomicOp::And)},
                               {"or", Field::Atomic, v(AtomicOp::Or)},
                               {"xor", Field::Atomic, v(AtomicOp::Xor)}};
const Literal kAdd[] = {{"add", Field::Atomic, v(AtomicOp::Add)}};
const Literal kNoFtz[] = {{"noftz", Field::Ftz, 1}};
const Literal kExchange[] = {{"exch", Field::Atomic, v(AtomicOp::Exch)}};
const Literal kCas[] = {{"cas", Field::Atomic, v(AtomicOp::Cas)}};
const Literal kShflMode[] = {
    {"idx", Field::Mode, 0}, {"up", Field::Mode, 1}, {"down", Field::Mode, 2}, {"bfly", Field::Mode, 3}};
const Literal kVoteMode[] = {{"all", Field::Mode, 0}, {"any", Field::Mode, 1}, {"uni", Field::Mode, 2}};
const Literal kBallot[] = {{"ballot", Field::Mode, 3}};
const Literal kLeft[] = {{"l", Field::Mode, 1}, {"r", Field::Mode, 0}};
const Literal kWrap[] = {{"wrap", Field::Parity, 1}, {"clamp", Field::Parity, 0}};
const Literal kCount[] = {{"x1", Field::Count, 1}, {"x2", Field::Count, 2}, {"x4", Field::Count, 4}};
const Literal kTrans[] = {{"trans", Field::Trans, 1}};
const Literal kAligned[] = {{"aligned", Field::Aligned, 1}};
const Literal kParity[] = {{"parity", Field::Parity, 1}};
const Literal kTest[] = {{"test_wait", Field::Mode, 1}, {"try_wait", Field::Mode, 0}};
const Literal kExpect[] = {{"expect_tx", Field::Count, 1}};
const Literal kNoComplete[] = {{"noComplete", Field::Nan, 1}};
const Literal kInc[] = {{"inc", Field::Mode, 1}, {"dec", Field::Mode, 0}};
const Literal kFp8A[] = {{"e4m3", Field::TypeA, 0}, {"e5m2", Field::TypeA, 1}};
const Literal kFp8B[] = {{"e4m3", Field::TypeB, 0}, {"e5m2", Field::TypeB, 1}};
const Literal kMBarScope[] = {{"cta", Field::Scope, v(Scope::Cta)}, {"cluster", Field::Scope, v(Scope::Cluster)}};
const Literal kWaitSem[] = {{"acquire", Field::Order, v(Order::Acquire)}, {"relaxed", Field::Order, v(Order::Relaxed)}};
const Literal kArriveSem[] = {{"release", Field::Order, v(Order::Release)},
                              {"relaxed", Field::Order, v(Order::Relaxed)}};

struct Class {
  const char *name;
  llvm::ArrayRef<Literal> literals;
};
const Class kClasses[] = {{"type", kType},
                          {"from", kFrom},
                          {"word", kWord},
                          {"memory", kMemory},
                          {"signed", kSigned},
                          {"wideint", kWideInt},
                          {"int32", kInt32},
                          {"int", kInt},
                          {"bits", kBits},
                          {"bits32", kBits32},
                          {"addr", kAddr},
                          {"pred", kPred},
                          {"f32", kF32},
                          {"half", kHalf},
                          {"packed", kPacked},
                          {"fp8pair", kFp8Pair},
                          {"float", kFloat},
                          {"and", kAnd},
                          {"or", kOr},
                          {"xor", kXor},
                          {"logic", kLogic},
                          {"abs", kAbs},
                          {"cmp", kCompare},
                          {"round", kRound},
                          {"ftz", kFtz},
                          {"NaN", kNan},
                          {"relu", kRelu},
                          {"sem", kSem},
                          {"asem", kAtomSem},
                          {"scope", kScope},
                          {"membar", kMembar},
                          {"space", kSpace},
                          {"shared", kShared},
                          {"sharedany", kSharedAny},
                          {"dst", kDst},
                          {"window", kWindow},
                          {"to", kTo},
                          {"vec", kVector},
                          {"evict", kEvict},
                          {"loadop", kLoadOperator},
                          {"storeop", kStoreOperator},
                          {"nc", kNc},
                          {"prefetch", kPrefetch},
                          {"hint", kHint},
                          {"multicast", kMulticast},
                          {"dim", kDim},
                          {"read", kRead},
                          {"reduce", kReduce},
                          {"reduceint", kReduceInt},
                          {"reducebits", kReduceBits},
                          {"add", kAdd},
                          {"noftz", kNoFtz},
                          {"exch", kExchange},
                          {"cas", kCas},
                          {"shfl", kShflMode},
                          {"vote", kVoteMode},
                          {"ballot", kBallot},
                          {"left", kLeft},
                          {"wrap", kWrap},
                          {"count", kCount},
                          {"trans", kTrans},
                          {"aligned", kAligned},
                          {"parity", kParity},
                          {"wait", kTest},
                          {"expect", kExpect},
                          {"noComplete", kNoComplete},
                          {"incdec", kInc},
                          {"fp8a", kFp8A},
                          {"fp8b", kFp8B},
                          {"mscope", kMBarScope},
                          {"waitsem", kWaitSem},
                          {"arrivesem", kArriveSem}};

template <Step (*handler)(Context &, const Instruction &)>
Handler only(const Modifiers &) {
  return handler;
}

/// PTX ISA, "ld" and "st": a scope goes with a strong order, cache operators with a weak one, priorities and .nc with
/// global memory; a vector has 128 bits at most.
bool isLegalAccess(const Modifiers &m) {
  Order order = Order(m[Field::Order]);
  bool isShared = m.space() == Space::Shared || m.space() == Space::SharedCluster;
  bool isWeak = order == Order::None || order == Order::Weak;
  bool isScoped = !isWeak && order != Order::Volatile;
  unsigned cache = m[Field::Cache];
  if (isScoped != (Scope(m[Field::Scope]) != Scope::None) || (isShared && (cache >= kPriority || m[Field::CacheHint])))
    return false;
  if ((cache == kOperator && !isWeak) || (cache == kPriority && order == Order::Volatile))
    return false;
  if (cache == kNonCoherent && (order != Order::None || m.space() != Space::Global))
    return false;
  return std::max(1u, unsigned(m[Field::Vector])) * getByteWidth(m.type()) <= 16;
}
Handler selectLoad(const Modifiers &m) {
  return isLegalAccess(m) && Order(m[Field::Order]) != Order::Release ? execLoad : nullptr;
}
Handler selectStore(const Modifiers &m) {
  return isLegalAccess(m) && Order(m[Field::Order]) != Order::Acquire ? execStore : nullptr;
}
Handler selectLoadParam(const Modifiers &m) { return isLegalAccess(m) ? execLoadParam : nullptr; }
Handler selectStoreAsync(const Modifiers &m) {
  return isLegalAccess(m) && getByteWidth(m.type()) >= 4 ? execStoreAsync : nullptr;
}

/// PTX ISA, "atom": the types of each operation.
bool isLegalAtomic(const Modifiers &m) {
  Type type = m.type();
  bool isHalf = type == Type::F16 || type == Type::BF16;
  if (isHalf != bool(m[Field::Ftz]))
    return false;
  switch (AtomicOp(m[Field::Atomic])) {
  case AtomicOp::Add:
    return isHalf || type == Type::F32 || type == Type::U32 || type == Type::S32 || type == Type::U64;
  case AtomicOp::Min:
  case AtomicOp::Max:
    return type == Type::U32 || type == Type::S32 || type == Type::U64 || type == Type::S64;
  case AtomicOp::Inc:
  case AtomicOp::Dec:
    return type == Type::U32;
  default:
    return type == Type::B32 || type == Type::B64;
  }
}
Handler selectAtomic(const Modifiers &m) { return isLegalAtomic(m) ? execAtomic : nullptr; }
Handler selectReduction(const Modifiers &m) { return isLegalAtomic(m) ? execReduction : nullptr; }
Handler selectReduxBits(const Modifiers &m) { return m.type() == Type::B32 ? execRedux : nullptr; }

/// PTX ISA, "mbarrier.arrive": order and scope must match.
bool hasOrderAndScope(const Modifiers &m) {
  return (Order(m[Field::Order]) != Order::None) == (Scope(m[Field::Scope]) != Scope::None);
}
Handler selectArrive(const Modifiers &m) { return hasOrderAndScope(m) ? execMBarrierArrive : nullptr; }
Handler selectWait(const Modifiers &m) { return hasOrderAndScope(m) ? execMBarrierWait : nullptr; }

/// Multicast has shared::cluster for its destination.
bool isLegalMulticast(const Modifiers &m) { return !m[Field::Multicast] || m.space() == Space::SharedCluster; }
Handler selectTensorLoad(const Modifiers &m) { return isLegalMulticast(m) ? execTensorLoad : nullptr; }
Handler selectBulkLoad(const Modifiers &m) { return isLegalMulticast(m) ? execBulkLoad : nullptr; }

const InstructionRow kRows[] = {
    // Integer and logic.
    {"add $int", "d s s", selectAdd},
    {"sub $int", "d s s", selectSub},
    {"mul lo $int", "d s s", selectMulLo},
    {"mul hi $int", "d s s", selectMulHi},
    {"mul wide $int", "dw s s", selectMulWide},
    {"mad lo $int", "d s s s", selectMadLo},
    {"mad hi $int", "d s s s", selectMadHi},
    {"mad wide $int", "dw s s sw", selectMadWide},
    {"div $int", "d s s", selectDiv},
    {"rem $int", "d s s", selectRem},
    {"min $int", "d s s", selectMin},
    {"max $int", "d s s", selectMax},
    {"neg $signed", "d s", selectNeg},
    {"abs $signed", "d s", selectAbs},
    {"$and $bits", "d s s", selectAnd},
    {"$or $bits", "d s s", selectOr},
    {"$xor $bits", "d s s", selectXor},
    {"not $bits", "d s", selectNot},
    {"$and $pred", "dq sq sq", selectAnd},
    {"$or $pred", "dq sq sq", selectOr},
    {"$xor $pred", "dq sq sq", selectXor},
    {"not $pred", "dq sq", only<execPredNot>},
    {"mov $pred", "dq iq", only<execMovPred>},
    {"shl $bits", "d s su32", selectShl},
    {"shr $bits", "d s su32", selectShr},
    {"shr $int", "d s su32", selectShr},
    {"popc $bits32", "du32 s", selectPopc},
    {"clz $bits32", "du32 s", selectClz},
    {"brev $bits32", "d s", selectBrev},
    {"bfe $wideint", "d s su32 su32", selectBfe},
    {"bfi $bits32", "d s s su32 su32", selectBfi},
    {"prmt b32", "db32 sb32 sb32 sb32", only<execPrmt>},
    {"lop3 b32", "db32 sb32 sb32 sb32 i", only<execLop3>},
    {"shf $left $wrap b32", "db32 sb32 sb32 su32", only<execShf>},
    // Comparison and selection.
    {"setp $cmp [$ftz] $type", "pq s s", selectSetp},
    {"setp $cmp $logic [$ftz] $type", "pq s s sq", selectSetp},
    {"selp $word", "d s s sq", selectSelp},
    // Floating point.
    {"add [rn] [$ftz] $f32", "d s s", selectFloatAdd},
    {"sub [rn] [$ftz] $f32", "d s s", selectFloatSub},
    {"mul [rn] [$ftz] $f32", "d s s", selectFloatMul},
    {"fma rn [$ftz] $f32", "d s s s", selectFma},
    {"mad rn [$ftz] $f32", "d s s s", selectFma},
    {"min [$ftz] [$NaN] $float", "d s s", selectFloatMin},
    {"min [$ftz] [$NaN] xorsign $abs $float", "d s s", selectFloatMin},
    {"max [$ftz] [$NaN] $float", "d s s", selectFloatMax},
    {"max [$ftz] [$NaN] xorsign $abs $float", "d s s", selectFloatMax},
    {"neg [$ftz] $f32", "d s", selectFloatNeg},
    {"$abs [$ftz] $f32", "d s", selectFloatAbs},
    {"copysign $f32", "d s s", selectFloatCopysign},
    {"neg $half", "d s", only<execHalfUnary>},
    {"$abs $half", "d s", only<execHalfUnary>},
    {"div rn [$ftz] $f32", "d s s", selectFloatDiv},
    {"rcp rn [$ftz] $f32", "d s", selectFloatRcp},
    {"rcp approx [$ftz] $f32", "d s", selectFloatRcp},
    {"sqrt rn [$ftz] $f32", "d s", selectFloatSqrt},
    {"sqrt approx [$ftz] $f32", "d s", selectFloatSqrt},
    {"rsqrt approx [$ftz] $f32", "d s", selectFloatRsqrt},
    {"ex2 approx [$ftz] $f32", "d s", selectFloatEx2},
    {"lg2 approx [$ftz] $f32", "d s", selectFloatLg2},
    {"tanh approx $f32", "d s", selectFloatTanh},
    {"cvt [$round] [$ftz] $type $from", "d s2", selectCvt},
    {"cvt rn [$relu] $packed f32", "db32 sf32 sf32", only<execPackedCvt>},
    {"cvt rn satfinite $fp8pair f32", "db16 sf32 sf32", only<execFp8Cvt>},
    // Data movement.
    {"mov $word", "md ms", only<execMov>},
    {"cvta [$to] $window $addr", "d s", only<execCvta>},
    {"ld param [$vec] $memory", "vd a", selectLoadParam},
    {"ld [$sem] [$scope] [$space] [$loadop] [$nc] [$evict] [$hint] [$prefetch] [$vec] $memory", "vd a hint",
     selectLoad},
    {"st [$sem] [$scope] [$space] [$storeop] [$evict] [$hint] [$vec] $memory", "a vs hint", selectStore},
    {"st async [weak] shared::cluster mbarrier::complete_tx::bytes [$vec] $word", "a vs a", selectStoreAsync},
    {"atom [$asem] [$scope] [$space] $reduce [$noftz] $type", "d a s", selectAtomic},
    {"atom [$asem] [$scope] [$space] $exch $bits32", "d a s", only<execAtomic>},
    {"atom [$asem] [$scope] [$space] $cas $bits", "d a s s", only<execAtomic>},
    {"red [$asem] [$scope] [$space] $reduce [$noftz] $type", "a s", selectReduction},
    {"red [$asem] [$scope] global $add $vec $f32", "a vs", only<execVectorReduction>},
    {"red [$asem] [$scope] global $add noftz $packed", "a sb32", only<execVectorReduction>},
    {"mapa [shared::cluster] $addr", "d s su32", only<execMapa>},
    {"prefetch global L1|L2", "a", only<execPrefetch>},
    {"prefetch L1|L2", "a", only<execPrefetch>},
    {"prefetch [param] tensormap", "a", only<execPrefetchMap>},
    {"createpolicy fractional L2::evict_last|L2::evict_normal|L2::evict_first|L2::evict_unchanged "
     "[L2::evict_first|L2::evict_unchanged] b64",
     "db64 sf32?", only<execCreatePolicy>},
    {"cp async ca|cg $shared global [$hint] [$prefetch]", "a a i su32? hint", only<execCpAsync>},
    {"cp async mbarrier arrive noinc [$shared] b64", "a", only<execCpAsyncArrive>},
    {"cp async commit_group", "", only<execCpAsyncDone>},
    {"cp async wait_group", "i", only<execCpAsyncDone>},
    {"cp async wait_all", "", only<execCpAsyncDone>},
    // Control flow and warps.
    {"bra [uni]", "L", only<execBra>},
    {"ret [uni]", "", only<execExit>},
    {"exit", "", only<execExit>},
    {"trap", "", only<execTrap>},
    {"nanosleep u32", "su32", only<execNanosleep>},
    {"shfl sync $shfl b32", "dp sb32 sb32 sb32 sb32", only<execShfl>},
    {"elect sync", "dp sb32", only<execElect>},
    {"vote sync $vote pred", "dq sq sb32", only<execVote>},
    {"vote sync $ballot b32", "db32 sq sb32", only<execVote>},
    {"activemask b32", "db32", only<execActivemask>},
    {"redux sync $reduceint $int32", "d s sb32", only<execRedux>},
    {"redux sync $reducebits $bits32", "d s sb32", selectReduxBits},
    {"setmaxnreg $incdec sync aligned u32", "i", only<execSetmaxnreg>},
    {"griddepcontrol wait", "", only<execGridWait>},
    {"griddepcontrol launch_dependents", "", only<execIgnore>},
    // Barriers and fences.
    {"bar [cta] sync", "su32 su32?", only<execBarSync>},
    {"bar warp sync", "sb32", only<execWarpSync>},
    {"barrier [cta] sync [$aligned]", "su32 su32?", only<execBarSync>},
    {"bar [cta] arrive", "su32 su32", only<execBarArrive>},
    {"barrier [cta] arrive [$aligned]", "su32 su32", only<execBarArrive>},
    {"barrier cluster arrive [$arrivesem] [$aligned]", "", only<execClusterArrive>},
    {"barrier cluster wait [acquire] [$aligned]", "", only<execClusterWait>},
    {"fence proxy async", "", only<execProxyFence>},
    {"fence proxy async shared::cta|shared::cluster", "", only<execProxyFence>},
    {"fence proxy async global", "", only<execIgnore>},
    {"fence mbarrier_init release cluster", "", only<execMBarrierInitFence>},
    {"fence [acq_rel|sc|acquire|release] $scope", "", only<execFence>},
    {"membar $membar", "", only<execFence>},
    // mbarrier.
    {"mbarrier init [$shared] b64", "a su32", only<execMBarrierInit>},
    {"mbarrier inval [$shared] b64", "a", only<execMBarrierInval>},
    {"mbarrier arrive [$expect] [$arrivesem] [$mscope] [$sharedany] b64", "A", selectArrive},
    {"mbarrier expect_tx [$sharedany] b64", "a su32", only<execMBarrierExpectTx>},
    {"mbarrier expect_tx relaxed $mscope [$sharedany] b64", "a su32", only<execMBarrierExpectTx>},
    {"mbarrier complete_tx [$sharedany] b64", "a su32", only<execMBarrierCompleteTx>},
    {"mbarrier complete_tx relaxed $mscope [$sharedany] b64", "a su32", only<execMBarrierCompleteTx>},
    {"mbarrier $wait [$parity] [$waitsem] [$mscope] [$shared] b64", "dq a S su32?", selectWait},
    // Bulk copies.
    {"cp async bulk tensor $dim $dst global [tile] mbarrier::complete_tx::bytes [$multicast] [$hint]",
     "a t a mask hint", selectTensorLoad},
    {"cp async bulk tensor $dim global shared::cta [tile] bulk_group [$hint]", "t a hint", only<execTensorStore>},
    {"cp reduce async bulk tensor $dim global shared::cta $reduce [tile] bulk_group [$hint]", "t a hint",
     only<execTensorReduce>},
    {"cp async bulk prefetch tensor $dim L2 global [tile] [$hint]", "t hint", only<execTensorPrefetch>},
    {"cp async bulk $dst global mbarrier::complete_tx::bytes [$multicast] [$hint]", "a a su32 a mask hint",
     selectBulkLoad},
    {"cp async bulk global shared::cta bulk_group [$hint]", "a a su32 hint", only<execBulkStore>},
    {"cp async bulk commit_group", "", only<execBulkCommit>},
    {"cp async bulk wait_group [$read]", "i", only<execBulkWait>},
    // Tensor core.
    {"wgmma fence sync aligned", "", only<execWgmmaFence>},
    {"wgmma commit_group sync aligned", "", only<execWgmmaCommit>},
    {"wgmma wait_group sync aligned", "i", only<execWgmmaWait>},
    {"wgmma mma_async sync aligned $wgmma f32 $fp8a $fp8b", "rd W sb64 sq i i", only<execWgmma>},
    {"stmatrix sync aligned m8n8 $count [$trans] [$shared] b16", "a rs", only<execStMatrix>},
    {"ldmatrix sync aligned m8n8 $count [$trans] [$shared] b16", "rd a", only<execLdMatrix>},
};

/// m64n<8..256, a multiple of 8>k32.
bool matchWgmmaShape(StringRef part, Modifiers &mods) {
  unsigned n = 0;
  if (!part.consume_front("m64n") || part.consumeInteger(10, n) || part != "k32" || n < 8 || n > 256 || n % 8)
    return false;
  mods[Field::WgmmaN] = n / 8;
  return true;
}

bool matchPart(StringRef element, StringRef part, Modifiers &mods) {
  if (!element.consume_front("$")) {
    llvm::SmallVector<StringRef, 4> choices;
    element.split(choices, '|');
    return llvm::is_contained(choices, part);
  }
  if (element == "wgmma")
    return matchWgmmaShape(part, mods);
  const Class *known = llvm::find_if(kClasses, [&](const Class &c) { return element == c.name; });
  if (known == std::end(kClasses))
    return false;
  for (const Literal &literal : known->literals)
    if (part == literal.text) {
      if (literal.value || literal.field != Field::Mode)
        mods[literal.field] = uint8_t(literal.value);
      return true;
    }
  return false;
}

/// The number of matched parts; `complete` if all parts match the whole pattern.
size_t matchRow(const InstructionRow &row, llvm::ArrayRef<StringRef> parts, Modifiers &mods, bool &complete) {
  llvm::SmallVector<StringRef, 12> elements;
  StringRef(row.pattern).split(elements, ' ', -1, false);
  size_t at = 0;
  for (StringRef element : elements) {
    bool optional = element.consume_front("[");
    element.consume_back("]");
    if (at < parts.size() && matchPart(element, parts[at], mods)) {
      ++at;
    } else if (!optional) {
      complete = false;
      return at;
    }
  }
  complete = at == parts.size();
  return at;
}

} // namespace

Match dgemm::emulator::matchOpcode(StringRef opcode) {
  llvm::SmallVector<StringRef, 12> parts;
  opcode.split(parts, '.');
  size_t best = 0;
  bool typed = false;
  for (const InstructionRow &row : kRows) {
    Match match;
    bool complete = false;
    size_t reached = matchRow(row, parts, match.mods, complete);
    best = std::max(best, reached);
    if (!complete)
      continue;
    match.row = &row;
    match.handler = row.select ? row.select(match.mods) : nullptr;
    if (match.handler)
      return match;
    typed = true;
  }
  Match none;
  if (typed)
    none.reason = "unknown instruction '" + opcode.str() + "': this combination of modifiers and types does not exist";
  else if (best == 0 || best >= parts.size())
    none.reason = "unknown instruction '" + opcode.str() + "'";
  else
    none.reason = "unknown modifier '." + parts[best].str() + "' in '" + opcode.str() + "'";
  return none;
}

size_t dgemm::emulator::getNumInstructionForms() { return std::size(kRows); }
