/* Shared parts of the bfloat16 kernels: vectors of 16 values, scratch memory and the matrix product.

   For CPUs with AVX-512 and its bfloat16 dot product (AVX512_BF16), without AMX. The right factor of
   every product is packed in panels of 32 columns with pairs of rows interleaved,
   [columns / 32][rows / 2][32][2], as the dot product reads them. Channels and the width of a head
   are multiples of 32. */

#pragma once

#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

typedef uint16_t bf16;

enum { PACK_WIDTH = 32, ROWS = 8 };

INLINE __m512i bits(const bf16 *from) { return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from)); }

INLINE __m512 load(const bf16 *from) { return _mm512_castsi512_ps(_mm512_slli_epi32(bits(from), 16)); }

INLINE void store(bf16 *to, __m512 values) {
    _mm256_storeu_si256((__m256i *)to, (__m256i)_mm512_cvtneps_pbh(values));
}

INLINE __m512 constant(float value) { return _mm512_set1_ps(value); }

/* 2^x for x <= 127, relative error below 4e-6: enough before rounding to bfloat16, as is a
   reciprocal to 14 bits. */
INLINE __m512 power_of_two(__m512 x) {
    __m512 n = _mm512_roundscale_ps(x, 8), r = _mm512_sub_ps(x, n);
    __m512 sum = constant(0.0096181291f);
    sum = _mm512_fmadd_ps(sum, r, constant(0.0555041087f));
    sum = _mm512_fmadd_ps(sum, r, constant(0.2402265070f));
    sum = _mm512_fmadd_ps(sum, r, constant(0.6931471806f));
    sum = _mm512_fmadd_ps(sum, r, constant(1.0f));
    return _mm512_scalef_ps(sum, n);
}

INLINE __m512 silu(__m512 x) {
    __m512 power = power_of_two(_mm512_min_ps(_mm512_mul_ps(x, constant(-1.44269504f)), constant(126.0f)));
    return _mm512_mul_ps(x, _mm512_rcp14_ps(_mm512_add_ps(constant(1.0f), power)));
}

/* Scratch memory of this thread, kept between calls: freed memory would be returned to the system
   and faulted in again. */
static void *scratch(size_t bytes) {
    static __thread void *memory;
    static __thread size_t size;
    if (bytes > size) {
        free(memory);
        size = (bytes + 4095) / 4096 * 4096;
        memory = aligned_alloc(64, size);
    }
    return memory;
}

/* sums += `rows` rows of A times one panel. `rows` is constant where this is inlined, so that all
   sums stay in registers. */
INLINE void accumulate(int rows, const bf16 *a, long lda, const bf16 *panel, int pairs, __m512 sums[ROWS][2]) {
    for (int k = 0; k < pairs; k++, panel += 2 * PACK_WIDTH) {
        __m512bh first = (__m512bh)_mm512_loadu_si512(panel), second = (__m512bh)_mm512_loadu_si512(panel + PACK_WIDTH);
        UNROLL for (int i = 0; i < rows; i++) {
            __m512bh pair = (__m512bh)_mm512_set1_epi32(*(const int *)(a + i * lda + 2 * k));
            sums[i][0] = _mm512_dpbf16_ps(sums[i][0], pair, first);
            sums[i][1] = _mm512_dpbf16_ps(sums[i][1], pair, second);
        }
    }
}

INLINE void row_block(int rows, int add, const bf16 *a, long lda, const bf16 *panel, float *c, long ldc, int pairs) {
    __m512 sums[ROWS][2];
    UNROLL for (int i = 0; i < rows; i++) {
        sums[i][0] = add ? _mm512_loadu_ps(c + i * ldc) : _mm512_setzero_ps();
        sums[i][1] = add ? _mm512_loadu_ps(c + i * ldc + 16) : _mm512_setzero_ps();
    }
    accumulate(rows, a, lda, panel, pairs, sums);
    UNROLL for (int i = 0; i < rows; i++) {
        _mm512_storeu_ps(c + i * ldc, sums[i][0]);
        _mm512_storeu_ps(c + i * ldc + 16, sums[i][1]);
    }
}

/* C [rows, columns] = A [rows, 2 pairs] * packed B, or += if `add`. Not inlined: its sums would
   spill. */
static __attribute__((noinline)) void product(int add, const bf16 *a, long lda, const bf16 *b, float *c, long ldc,
                                              int rows, int columns, int pairs) {
    for (int n = 0; n < columns; n += PACK_WIDTH, b += 2L * pairs * PACK_WIDTH) {
        int m = 0;
        if (add)
            for (; m + ROWS <= rows; m += ROWS) row_block(ROWS, 1, a + m * lda, lda, b, c + m * ldc + n, ldc, pairs);
        else
            for (; m + ROWS <= rows; m += ROWS) row_block(ROWS, 0, a + m * lda, lda, b, c + m * ldc + n, ldc, pairs);
        for (; m < rows; m++) row_block(1, add, a + m * lda, lda, b, c + m * ldc + n, ldc, pairs);
    }
}
