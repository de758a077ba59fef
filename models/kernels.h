/* What the bfloat16 kernels share: vectors of 16 values, memory to work in, and the matrix product.

   For CPUs that have AVX-512 and its bfloat16 dot product (AVX512_BF16), and no matrix unit. The right side of every
   product is packed: panels of 32 columns, in each of them pairs of rows side by side, [columns / 32][rows / 2][32][2],
   as the dot product reads them. Channels and the width of a head are multiples of 32. */

#pragma once

#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

typedef uint16_t bf16;

enum { PANEL = 32, ROWS = 8 };

INLINE __m512i bits(const bf16 *from) { return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from)); }

INLINE __m512 load(const bf16 *from) { return _mm512_castsi512_ps(_mm512_slli_epi32(bits(from), 16)); }

INLINE void store(bf16 *to, __m512 values) {
    _mm256_storeu_si256((__m256i *)to, (__m256i)_mm512_cvtneps_pbh(values));
}

INLINE __m512 constant(float value) { return _mm512_set1_ps(value); }

/* 2^x for x <= 127, relative error below 4e-6: enough for what becomes bfloat16, as is a quotient to 14 bits. */
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

/* Memory of this thread, kept from call to call: the system's would be given back and faulted in again. */
static void *room(size_t bytes) {
    static __thread void *kept;
    static __thread size_t size;
    if (bytes > size) {
        free(kept);
        size = (bytes + 4095) / 4096 * 4096;
        kept = aligned_alloc(64, size);
    }
    return kept;
}

/* Add `rows` rows of A times one panel. `rows` is constant where it is inlined, so that all sums stay in registers. */
INLINE void accumulate(int rows, const bf16 *a, long lda, const bf16 *panel, int pairs, __m512 sums[ROWS][2]) {
    for (int k = 0; k < pairs; k++, panel += 2 * PANEL) {
        __m512bh first = (__m512bh)_mm512_loadu_si512(panel), second = (__m512bh)_mm512_loadu_si512(panel + PANEL);
        UNROLL for (int i = 0; i < rows; i++) {
            __m512bh pair = (__m512bh)_mm512_set1_epi32(*(const int *)(a + i * lda + 2 * k));
            sums[i][0] = _mm512_dpbf16_ps(sums[i][0], pair, first);
            sums[i][1] = _mm512_dpbf16_ps(sums[i][1], pair, second);
        }
    }
}

INLINE void strip(int rows, int add, const bf16 *a, long lda, const bf16 *panel, float *c, long ldc, int pairs) {
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

/* C [rows, columns] = A [rows, 2 pairs] packed B, or += it. Its own function: inlined, its sums were seen to spill. */
static __attribute__((noinline)) void product(int add, const bf16 *a, long lda, const bf16 *b, float *c, long ldc,
                                              int rows, int columns, int pairs) {
    for (int n = 0; n < columns; n += PANEL, b += 2L * pairs * PANEL) {
        int m = 0;
        if (add)
            for (; m + ROWS <= rows; m += ROWS) strip(ROWS, 1, a + m * lda, lda, b, c + m * ldc + n, ldc, pairs);
        else
            for (; m + ROWS <= rows; m += ROWS) strip(ROWS, 0, a + m * lda, lda, b, c + m * ldc + n, ldc, pairs);
        for (; m < rows; m++) strip(1, add, a + m * lda, lda, b, c + m * ldc + n, ldc, pairs);
    }
}
