/* Linear layers fused with the norm before and the gate or residual sum after them; attention with
   scores in float32 that stay in cache. */

#include "kernels.h"

enum { ROW_BLOCK = 64, QUERY_BLOCK = 48 };

/* One block of rows of a linear layer times one panel, as bfloat16: the sums plus `residual` if it is
   given, or with `gated` SiLU of the panel's first 16 columns times its other 16. */
INLINE void layer_row_block(int rows, int gated, const bf16 *a, long lda, const bf16 *panel, const bf16 *residual,
                            bf16 *out, long ldo, int pairs) {
    __m512 sums[ROWS][2];
    UNROLL for (int i = 0; i < rows; i++) sums[i][0] = sums[i][1] = _mm512_setzero_ps();
    accumulate(rows, a, lda, panel, pairs, sums);
    UNROLL for (int i = 0; i < rows; i++) {
        if (gated) {
            store(out + i * ldo, _mm512_mul_ps(silu(sums[i][0]), sums[i][1]));
            continue;
        }
        UNROLL for (int j = 0; j < 2; j++) {
            long at = i * ldo + 16 * j;
            store(out + at, residual ? _mm512_add_ps(sums[i][j], load(residual + at)) : sums[i][j]);
        }
    }
}

static __attribute__((noinline)) void layer(int gated, const bf16 *a, const bf16 *b, const bf16 *residual, bf16 *out,
                                            int rows, int inner, int columns) {
    long ldo = gated ? columns / 2 : columns;
    for (int n = 0; n < columns; n += PACK_WIDTH, b += (long)inner * PACK_WIDTH) {
        long at = gated ? n / 2 : n;
        for (int m = 0; m < rows;) {
            const bf16 *from = a + (long)m * inner, *beside = residual ? residual + m * ldo + at : 0;
            bf16 *to = out + m * ldo + at;
            if (m + ROWS <= rows) {
                layer_row_block(ROWS, gated, from, inner, b, beside, to, ldo, inner / 2);
                m += ROWS;
            } else {
                layer_row_block(1, gated, from, inner, b, beside, to, ldo, inner / 2);
                m++;
            }
        }
    }
}

INLINE void layer_normed_row(const bf16 *from, const float *scale, float epsilon, int width, bf16 *to) {
    __m512 sum = _mm512_setzero_ps(), squares = sum;
    for (int d = 0; d < width; d += 16) sum = _mm512_add_ps(sum, load(from + d));
    __m512 mean = constant(_mm512_reduce_add_ps(sum) / width);
    for (int d = 0; d < width; d += 16) {
        __m512 value = _mm512_sub_ps(load(from + d), mean);
        squares = _mm512_fmadd_ps(value, value, squares);
    }
    __m512 norm = constant(1 / sqrtf(_mm512_reduce_add_ps(squares) / width + epsilon));
    for (int d = 0; d < width; d += 16) {
        __m512 value = _mm512_mul_ps(_mm512_sub_ps(load(from + d), mean), norm);
        store(to + d, _mm512_mul_ps(value, _mm512_loadu_ps(scale + d)));
    }
}

/* Linear layer of [batch * rows, inner]. With `scale` [1 or batch][inner], a layer norm times scale
   comes first. The result is added to `residual` if it is given; with `gated`, whose weights alternate
   by 16, it is SiLU(gate) * value [columns / 2]. */
void linear(const bf16 *x, const float *scale, int scales, float epsilon, const bf16 *weights, const bf16 *residual,
            bf16 *out, int batch, int rows, int inner, int columns, int gated, int threads) {
    long all = (long)batch * rows, share = ((all + threads - 1) / threads + ROWS - 1) / ROWS * ROWS;
    long size = share < ROW_BLOCK ? share : ROW_BLOCK, wide = gated ? columns / 2 : columns;
#pragma omp parallel for schedule(dynamic)
    for (long first = 0; first < all; first += size) {
        long count = all - first < size ? all - first : size;
        const bf16 *from = x + first * inner;
        if (scale) {
            bf16 *normed = scratch(size * inner * sizeof(bf16));
            for (long i = 0; i < count; i++)
                layer_normed_row(from + i * inner, scale + (scales > 1 ? (first + i) / rows : 0) * inner, epsilon,
                                 inner, normed + i * inner);
            from = normed;
        }
        layer(gated, from, weights, residual ? residual + first * wide : 0, out + first * wide, count, inner, columns);
    }
}

INLINE void normed_row(const bf16 *from, const float *gain, float factor, float epsilon, int width, bf16 *to) {
    __m512 squares = _mm512_setzero_ps();
    for (int d = 0; d < width; d += 16) squares = _mm512_fmadd_ps(load(from + d), load(from + d), squares);
    __m512 norm = constant(factor / sqrtf(_mm512_reduce_add_ps(squares) / width + epsilon));
    for (int d = 0; d < width; d += 16)
        store(to + d, _mm512_mul_ps(_mm512_mul_ps(load(from + d), norm), _mm512_loadu_ps(gain + d)));
}

/* Write queries of rows [batch, rows, heads * width], `stride` apart, to [batch, heads, rows, width]:
   RMS-normed, times gain, 1 / sqrt(width) and log2(e), as attention uses powers of two. */
void split_queries(const bf16 *rows_in, long stride, const float *gain, float epsilon, bf16 *out, int batch, int rows,
                   int heads, int width) {
#pragma omp parallel for
    for (long job = 0; job < (long)batch * heads * rows; job++) {
        long row = job % rows, head = job / rows % heads, b = job / rows / heads;
        normed_row(rows_in + (b * rows + row) * stride + head * width, gain, 1.44269504f / sqrtf(width), epsilon, width,
                   out + job * width);
    }
}

/* Pack keys (RMS-normed, times gain) and values of rows [batch, rows, ...], `stride` apart, as right
   factors of queries x keys and weights x values: [batch, heads, padded * width] each, where `padded`
   is `rows` rounded up to a multiple of 32, zero beyond the last row. */
void split_keys_values(const bf16 *keys_in, const bf16 *values_in, long stride, const float *gain, float epsilon,
                       bf16 *keys, bf16 *values, int batch, int rows, int heads, int width) {
    int panels = (rows + PACK_WIDTH - 1) / PACK_WIDTH, padded = panels * PACK_WIDTH;
    const __m512i across = _mm512_mullo_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
                                              _mm512_set1_epi32(PACK_WIDTH));
#pragma omp parallel for collapse(2)
    for (int job = 0; job < batch * heads; job++)
        for (int panel = 0; panel < panels; panel++) {
            long b = job / heads, head = job % heads, whole = (long)job * padded * width;
            bf16 *key = scratch(width * sizeof(bf16)), *to = keys + whole + (long)panel * PACK_WIDTH * width;
            for (int i = 0; i < PACK_WIDTH; i++) {
                int row = panel * PACK_WIDTH + i;
                const bf16 *from = keys_in + (b * rows + row) * stride + head * width;
                if (row < rows) normed_row(from, gain, 1.0f, epsilon, width, key);
                for (int d = 0; d < width; d += 32) /* 16 pairs, each to its own line */
                    _mm512_i32scatter_epi32(to + (d / 2 * PACK_WIDTH + i) * 2, across,
                                            row < rows ? _mm512_loadu_si512(key + d) : _mm512_setzero_si512(), 4);
            }
            for (int i = 0; i < PACK_WIDTH; i += 2) {
                int row = panel * PACK_WIDTH + i;
                const bf16 *even = values_in + (b * rows + row) * stride + head * width, *odd = even + stride;
                for (int d = 0; d < width; d += 16) {
                    __m512i low = row < rows ? bits(even + d) : _mm512_setzero_si512();
                    __m512i high = row + 1 < rows ? bits(odd + d) : _mm512_setzero_si512();
                    long pair = d / PACK_WIDTH * (padded / 2L) + row / 2;
                    bf16 *at = values + whole + (pair * PACK_WIDTH + d % PACK_WIDTH) * 2;
                    _mm512_storeu_si512(at, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
                }
            }
        }
}

/* Softmax of one row of scores, in two parts of `past` and `own` columns, without the division by
   their sum, which is returned. Padded columns get zero. */
INLINE float softmax_row(const float *scores, bf16 *weights, int past, int past_padded, int own, int own_padded) {
    __m512 most = constant(-INFINITY), sum = _mm512_setzero_ps();
    for (int part = 0; part < 2; part++) {
        int first = part ? past_padded : 0, count = part ? own : past;
        for (int j = 0; j < count; j += 16) {
            __mmask16 valid = count - j < 16 ? (1u << (count - j)) - 1 : 0xffff;
            most = _mm512_mask_max_ps(most, valid, most, _mm512_loadu_ps(scores + first + j));
        }
    }
    __m512 top = constant(_mm512_reduce_max_ps(most));
    for (int part = 0; part < 2; part++) {
        int first = part ? past_padded : 0, count = part ? own : past, padded = part ? own_padded : past_padded;
        for (int j = 0; j < padded; j += 16) {
            __mmask16 valid = count - j >= 16 ? 0xffff : count > j ? (1u << (count - j)) - 1 : 0;
            __m512 weight = power_of_two(_mm512_sub_ps(_mm512_loadu_ps(scores + first + j), top));
            weight = _mm512_maskz_mov_ps(valid, weight);
            sum = _mm512_add_ps(sum, weight);
            store(weights + first + j, weight);
        }
    }
    return _mm512_reduce_add_ps(sum);
}

/* Softmax attention of queries [batch, heads, rows, width] on packed keys and values, those of the
   past (0 rows if there are none) and their own, to [batch, rows, heads * width]. */
void attend(const bf16 *queries, const bf16 *past_keys, const bf16 *past_values, int past, const bf16 *own_keys,
            const bf16 *own_values, int own, bf16 *out, int batch, int rows, int heads, int width) {
    int past_padded = (past + PACK_WIDTH - 1) / PACK_WIDTH * PACK_WIDTH;
    int own_padded = (own + PACK_WIDTH - 1) / PACK_WIDTH * PACK_WIDTH;
    int columns = past_padded + own_padded, blocks = (rows + QUERY_BLOCK - 1) / QUERY_BLOCK;
#pragma omp parallel for schedule(dynamic)
    for (int job = 0; job < batch * heads * blocks; job++) {
        long item = job / blocks, first = (long)(job % blocks) * QUERY_BLOCK, b = item / heads, head = item % heads;
        int count = rows - first < QUERY_BLOCK ? rows - first : QUERY_BLOCK;
        float *scores = scratch(QUERY_BLOCK * (columns * (sizeof(float) + sizeof(bf16)) + width * sizeof(float)));
        float *mixed = scores + (long)QUERY_BLOCK * columns, sums[QUERY_BLOCK];
        bf16 *weights = (bf16 *)(mixed + QUERY_BLOCK * width);
        const bf16 *query = queries + (item * rows + first) * width;
        product(0, query, width, past_keys + item * past_padded * width, scores, columns, count, past_padded,
                width / 2);
        product(0, query, width, own_keys + item * own_padded * width, scores + past_padded, columns, count, own_padded,
                width / 2);
        for (int i = 0; i < count; i++)
            sums[i] = softmax_row(scores + (long)i * columns, weights + (long)i * columns, past, past_padded, own,
                             own_padded);
        product(0, weights + past_padded, columns, own_values + item * own_padded * width, mixed, width, count, width,
                own_padded / 2);
        if (past)
            product(1, weights, columns, past_values + item * past_padded * width, mixed, width, count, width,
                    past_padded / 2);
        for (int i = 0; i < count; i++)
            for (int d = 0; d < width; d += 16)
                store(out + ((b * rows + first + i) * heads + head) * width + d,
                      _mm512_mul_ps(_mm512_loadu_ps(mixed + i * width + d), constant(1 / sums[i])));
    }
}

/* out [rows, width] = SiLU(gate) * value of x [rows, 2 width], gate first. */
void swiglu(const bf16 *x, bf16 *out, long rows, int width) {
#pragma omp parallel for
    for (long row = 0; row < rows; row++)
        for (int d = 0; d < width; d += 16) {
            const bf16 *at = x + 2 * row * width + d;
            store(out + row * width + d, _mm512_mul_ps(silu(load(at)), load(at + width)));
        }
}
