// How long reading bytes from device memory takes at the least: the floor of every kernel that must read as many.
#include <cstdint>
constexpr int kChunk = 16384, kStages = 12;

__device__ inline uint32_t sharedAddress(const void *pointer) { return uint32_t(__cvta_generic_to_shared(pointer)); }

/// Bulk copies into a ring in shared memory that is freed at once. One CTA for each SM, 128 threads, kChunk * kStages
/// bytes of dynamic shared memory. `bytes`: a multiple of kChunk.
extern "C" __global__ void __launch_bounds__(128, 1) read_bulk(const char *from, long bytes) {
  extern __shared__ __align__(1024) char ring[];
  __shared__ __align__(8) uint64_t barriers[kStages];
  if (threadIdx.x != 0)
    return;
  for (int i = 0; i < kStages; ++i)
    asm volatile("mbarrier.init.shared.b64 [%0], 1;" ::"r"(sharedAddress(&barriers[i])));
  asm volatile("fence.mbarrier_init.release.cluster;");
  long chunks = bytes / kChunk, mine = (chunks - blockIdx.x + gridDim.x - 1) / gridDim.x;
  if (blockIdx.x >= chunks)
    mine = 0;
  for (long i = 0; i < mine + kStages; ++i) {
    int stage = i % kStages;
    uint32_t barrier = sharedAddress(&barriers[stage]), done = 0;
    if (i >= kStages && i - kStages < mine)
      while (!done)
        asm volatile("{.reg .pred q; mbarrier.try_wait.parity.shared.b64 q, [%1], %2; selp.u32 %0, 1, 0, q;}"
                     : "=r"(done)
                     : "r"(barrier), "r"(uint32_t(i / kStages - 1) & 1));
    if (i >= mine)
      continue;
    asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(barrier), "r"(kChunk));
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
                     sharedAddress(ring) + stage * kChunk),
                 "l"(from + (blockIdx.x + i * gridDim.x) * long(kChunk)), "r"(kChunk), "r"(barrier)
                 : "memory");
  }
}

/// 16-byte loads, eight in flight for each thread. 4 CTAs of 512 threads for each SM.
extern "C" __global__ void __launch_bounds__(512) read_loads(const uint4 *from, long bytes) {
  long count = bytes / 16, stride = long(gridDim.x) * blockDim.x;
  uint32_t sum = 0;
  for (long i = blockIdx.x * long(blockDim.x) + threadIdx.x; i < count; i += stride * 8) {
    uint4 values[8];
#pragma unroll
    for (int j = 0; j < 8; ++j)
      values[j] = i + j * stride < count ? __ldcs(from + i + j * stride) : make_uint4(0, 0, 0, 0);
#pragma unroll
    for (int j = 0; j < 8; ++j)
      sum ^= values[j].x ^ values[j].y ^ values[j].z ^ values[j].w;
  }
  if (bytes < 0) // never: so the loads are used (ptxas drops what only an empty asm reads)
    *reinterpret_cast<uint32_t *>(const_cast<uint4 *>(from)) = sum;
}
