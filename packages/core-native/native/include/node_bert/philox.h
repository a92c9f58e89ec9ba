// Philox 4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), and the
// one definition of node-bert's dropout masks, shared by every backend so that masks are equal bit for bit.
//
// The element in column c of row r, in a call with {p, seed, step, op}, draws 16 bits: half-word (c mod 8) of the block
//   philox(counter = {c / 8, r, op, step}, key = {seed_low, seed_high})
// where half-words 2k and 2k+1 are the low and high 16 bits of output word k. The element is dropped when its 16 bits are < threshold,
// threshold = round(p * 65536); kept elements are multiplied by 65536 / (65536 - threshold), so the expectation is exact for the p that
// was applied. 16 bits an element halve the generator's work; p is met within 1/131072.
//
// Rows and columns: for (N,H) tensors row n and column h. For attention probabilities, row = n * A + head (n the packed row of the query) and
// column = the key's position in its sequence.
#ifndef NODE_BERT_PHILOX_H
#define NODE_BERT_PHILOX_H

#include <stdint.h>

#if defined(__CUDACC__)
#define NB_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define NB_HOST_DEVICE inline
#endif

typedef struct nb_philox_block {
  uint32_t word[4];
} nb_philox_block;

NB_HOST_DEVICE nb_philox_block nb_philox(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t k0, uint32_t k1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = (uint64_t)0xD2511F53u * c0;
    const uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
    const uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
    const uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)p1;
    c3 = (uint32_t)p0;
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  nb_philox_block block = {{c0, c1, c2, c3}};
  return block;
}

NB_HOST_DEVICE uint32_t nb_dropout_threshold(double p) { return (uint32_t)(p * 65536.0 + 0.5); }

NB_HOST_DEVICE double nb_dropout_scale(uint32_t threshold) { return 65536.0 / (65536.0 - (double)threshold); }

#endif  // NODE_BERT_PHILOX_H
