/* Bfloat16 kernels for CPUs that have AVX-512 and its bfloat16 dot product (AVX512_BF16), and no matrix unit.

   A 3x3 convolution by Winograd's F(4x4, 3x3) (Lavin and Gray, arXiv 1509.09308): 36 multiplications where the direct
   form has 144, or by F(2x2, 3x3), 16 for 36, where tiles are few. Linear layers with the norm before them and the gate
   or sum after them. An attention that keeps its scores in cache and in float32. And what torch does in several passes
   over memory, in one.

   Maps are channels-last, [batch, rows, columns, channels] in memory. The right side of every matrix product is packed:
   panels of 32 columns, in each of them pairs of rows side by side, [columns / 32][rows / 2][32][2], as the dot product
   reads them. Channels and the width of a head are multiples of 32; rows and columns of a map are even. */

#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

typedef uint16_t bf16;

enum { PANEL = 32, ROWS = 8, TILES = 64, QUERIES = 48, LINES = 64, PARTS = 8 };

INLINE __m512i bits(const bf16 *from) { return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from)); }

INLINE __m512 load(const bf16 *from) { return _mm512_castsi512_ps(_mm512_slli_epi32(bits(from), 16)); }

INLINE void store(bf16 *to, __m512 values) {
    _mm256_storeu_si256((__m256i *)to, (__m256i)_mm512_cvtneps_pbh(values));
}

INLINE __m512 constant(float value) { return _mm512_set1_ps(value); }

/* Relative error below 3e-7 in -87 ... 88; beyond, as at the edge. Coefficients: Taylor, on |r| <= ln(2) / 2. */
INLINE __m512 exponential(__m512 x) {
    x = _mm512_min_ps(_mm512_max_ps(x, constant(-87.0f)), constant(88.0f));
    __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, constant(1.44269504f)), 8);
    __m512 r = _mm512_fnmadd_ps(n, constant(0.693359375f), x); /* ln 2 in two parts, the first one exact */
    r = _mm512_fnmadd_ps(n, constant(-2.12194440e-4f), r);
    __m512 sum = constant(1.0f / 720);
    sum = _mm512_fmadd_ps(sum, r, constant(1.0f / 120));
    sum = _mm512_fmadd_ps(sum, r, constant(1.0f / 24));
    sum = _mm512_fmadd_ps(sum, r, constant(1.0f / 6));
    sum = _mm512_fmadd_ps(sum, r, constant(0.5f));
    sum = _mm512_fmadd_ps(sum, r, constant(1.0f));
    sum = _mm512_fmadd_ps(sum, r, constant(1.0f));
    return _mm512_scalef_ps(sum, n);
}

/* 2^x for x <= 0, relative error below 4e-6: enough for what becomes bfloat16. */
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
    return _mm512_div_ps(x, _mm512_add_ps(constant(1.0f), exponential(_mm512_sub_ps(_mm512_setzero_ps(), x))));
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

/* ---- matrix product -------------------------------------------------------------------------------------------- */

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

/* ---- convolution ----------------------------------------------------------------------------------------------- */

/* x = (x + injected) / sqrt(2) if there is any, in `out`; and what a group norm then does to each channel:
   affine [batch][2][channels], factor and offset. `partial` is room for batch * PARTS * 2 * channels floats. */
void prepare(const bf16 *x, const bf16 *injected, bf16 *out, const float *scale, int scales, float *partial,
             float *affine, int batch, int pixels, int channels, int groups, float epsilon) {
#pragma omp parallel for schedule(dynamic)
    for (int job = 0; job < batch * PARTS; job++) {
        long image = (long)(job / PARTS) * pixels, part = job % PARTS;
        long first = image + part * pixels / PARTS, last = image + (part + 1) * pixels / PARTS;
        for (int c = 0; c < channels; c += 16) {
            __m512 sum = _mm512_setzero_ps(), squares = sum;
            for (long pixel = first; pixel < last; pixel++) {
                long at = pixel * channels + c;
                __m512 value = load(x + at);
                if (injected) {
                    value = _mm512_mul_ps(_mm512_add_ps(value, load(injected + at)), constant(0.70710678f));
                    store(out + at, value);
                }
                sum = _mm512_add_ps(sum, value);
                squares = _mm512_fmadd_ps(value, value, squares);
            }
            _mm512_storeu_ps(partial + 2L * job * channels + c, sum);
            _mm512_storeu_ps(partial + (2L * job + 1) * channels + c, squares);
        }
    }
    int size = channels / groups;
    for (int b = 0; b < batch; b++)
        for (int g = 0; g < groups; g++) {
            double sum = 0, squares = 0, count = (double)pixels * size;
            for (int part = 0; part < PARTS; part++)
                for (int c = g * size; c < (g + 1) * size; c++) {
                    sum += partial[2L * (b * PARTS + part) * channels + c];
                    squares += partial[(2L * (b * PARTS + part) + 1) * channels + c];
                }
            double mean = sum / count, factor = 1 / sqrt(fmax(squares / count - mean * mean, 0) + epsilon);
            for (int c = g * size; c < (g + 1) * size; c++) {
                float gain = factor * scale[(scales > 1 ? b : 0) * channels + c];
                affine[2L * b * channels + c] = gain;
                affine[(2L * b + 1) * channels + c] = -mean * gain;
            }
        }
}

typedef struct {
    const bf16 *x, *weights, *residual;
    const float *affine;
    bf16 *out;
    int height, width, channels, tiles; /* tiles: of the whole batch */
} Convolution;

/* Winograd's transforms of one line, for tiles of 2 or of 4 pixels; points 0, 1, -1 or 0, +-2/3, +-3/2, and infinity.
   Of the points tried for 4 these lose least in bfloat16; kernels.py has them too. */
static const float NEAR = 2.0f / 3, FAR = 3.0f / 2;

INLINE void fold_line(int edge, const __m512 *d, __m512 *to, int step) {
    if (edge == 2) {
        to[0] = _mm512_sub_ps(d[2], d[0]);
        to[step] = _mm512_add_ps(d[1], d[2]);
        to[2 * step] = _mm512_sub_ps(d[2], d[1]);
        to[3 * step] = _mm512_sub_ps(d[3], d[1]);
        return;
    }
    __m512 near = constant(NEAR * NEAR), far = constant(FAR * FAR), both = constant(NEAR * NEAR + FAR * FAR);
    __m512 even = _mm512_fnmadd_ps(far, d[2], d[4]), odd = _mm512_fnmadd_ps(far, d[1], d[3]);
    to[0] = _mm512_fnmadd_ps(both, d[2], _mm512_add_ps(d[0], d[4]));
    to[step] = _mm512_fmadd_ps(constant(NEAR), odd, even);
    to[2 * step] = _mm512_fnmadd_ps(constant(NEAR), odd, even);
    even = _mm512_fnmadd_ps(near, d[2], d[4]), odd = _mm512_fnmadd_ps(near, d[1], d[3]);
    to[3 * step] = _mm512_fmadd_ps(constant(FAR), odd, even);
    to[4 * step] = _mm512_fnmadd_ps(constant(FAR), odd, even);
    to[5 * step] = _mm512_fnmadd_ps(both, d[3], _mm512_add_ps(d[1], d[5]));
}

INLINE void unfold_line(int edge, const __m512 *m, __m512 *to, int step) {
    __m512 sum = _mm512_add_ps(m[1], m[2]), difference = _mm512_sub_ps(m[1], m[2]);
    if (edge == 2) {
        to[0] = _mm512_add_ps(m[0], sum);
        to[step] = _mm512_add_ps(difference, m[3]);
        return;
    }
    __m512 wide_sum = _mm512_add_ps(m[3], m[4]), wide = _mm512_sub_ps(m[3], m[4]);
    to[0] = _mm512_add_ps(m[0], _mm512_add_ps(sum, wide_sum));
    to[step] = _mm512_fmadd_ps(constant(FAR), wide, _mm512_mul_ps(constant(NEAR), difference));
    to[2 * step] = _mm512_fmadd_ps(constant(FAR * FAR), wide_sum, _mm512_mul_ps(constant(NEAR * NEAR), sum));
    to[3 * step] = _mm512_fmadd_ps(constant(FAR * FAR * FAR), wide,
                                   _mm512_fmadd_ps(constant(NEAR * NEAR * NEAR), difference, m[5]));
}

/* Input of one tile, normed: its pixels and those around it, 16 channels, to as many values, `step` apart. Outside the
   map is zero. */
INLINE void fold_tile(int edge, const bf16 *image, int top, int left, int height, int width, long channels,
                      __m512 factor, __m512 offset, bf16 *to, long step) {
    __m512 v[6][6], line[6];
    int size = edge + 2;
    UNROLL for (int j = 0; j < size; j++) {
        UNROLL for (int i = 0; i < size; i++) {
            int row = top + i, column = left + j;
            int inside = row >= 0 && row < height && column >= 0 && column < width;
            line[i] = inside ? _mm512_fmadd_ps(load(image + ((long)row * width + column) * channels), factor, offset)
                             : _mm512_setzero_ps();
        }
        fold_line(edge, line, &v[0][j], 6);
    }
    UNROLL for (int i = 0; i < size; i++, to += size * step) {
        fold_line(edge, v[i], line, 1);
        UNROLL for (int j = 0; j < size; j++) store(to + j * step, line[j]);
    }
}

/* Products, `step` apart, to the pixels of a tile, [row][column]. */
INLINE void unfold_tile(int edge, const float *m, long step, __m512 pixels[4][4]) {
    __m512 s[4][6], line[6];
    int size = edge + 2;
    UNROLL for (int j = 0; j < size; j++) {
        UNROLL for (int i = 0; i < size; i++) line[i] = _mm512_loadu_ps(m + (i * size + j) * step);
        unfold_line(edge, line, &s[0][j], 6);
    }
    UNROLL for (int i = 0; i < edge; i++) unfold_line(edge, s[i], pixels[i], 1);
}

/* `count` tiles, from `first` on. */
INLINE void convolve_tiles(int edge, const Convolution *c, long first, int count, long room_for) {
    int size = (edge + 2) * (edge + 2), across = c->width / edge, down = c->height / edge, channels = c->channels;
    long step = room_for * channels + PANEL; /* no power of two, whose multiples would share a few lines of the cache */
    bf16 *inputs = room(size * step * (sizeof(bf16) + sizeof(float)));
    float *outputs = (float *)(inputs + size * step);
    for (int t = 0; t < count; t++) {
        long tile = first + t, b = tile / across / down;
        int top = edge * (tile / across % down) - 1, left = edge * (tile % across) - 1;
        for (int d = 0; d < channels; d += 16) {
            const float *affine = c->affine + 2 * b * channels + d;
            __m512 factor = c->affine ? _mm512_loadu_ps(affine) : constant(1.0f);
            __m512 offset = c->affine ? _mm512_loadu_ps(affine + channels) : _mm512_setzero_ps();
            fold_tile(edge, c->x + b * c->height * c->width * channels + d, top, left, c->height, c->width, channels,
                      factor, offset, inputs + (long)t * channels + d, step);
        }
    }
    for (int k = 0; k < size; k++)
        product(0, inputs + k * step, channels, c->weights + (long)k * channels * channels, outputs + k * step,
                channels, count, channels, channels / 2);
    for (int t = 0; t < count; t++) {
        long tile = first + t, b = tile / across / down;
        long corner = (b * c->height + edge * (tile / across % down)) * c->width + edge * (tile % across);
        for (int d = 0; d < channels; d += 16) {
            __m512 pixels[4][4];
            unfold_tile(edge, outputs + (long)t * channels + d, step, pixels);
            UNROLL for (int i = 0; i < edge; i++)
                UNROLL for (int j = 0; j < edge; j++) {
                    long at = (corner + i * c->width + j) * channels + d;
                    store(c->out + at, c->residual ? _mm512_add_ps(pixels[i][j], load(c->residual + at))
                                                   : silu(pixels[i][j]));
                }
        }
    }
}

static __attribute__((noinline)) void convolve_small_tiles(const Convolution *c, long first, int count, long room_for) {
    convolve_tiles(2, c, first, count, room_for);
}

static __attribute__((noinline)) void convolve_large_tiles(const Convolution *c, long first, int count, long room_for) {
    convolve_tiles(4, c, first, count, room_for);
}

/* out = conv3x3(x * factor + offset), no bias; then SiLU where there is no residual, else plus the residual.
   weights: (edge + 2)^2 packed matrices [channels, channels] for tiles of 2 or 4 pixels' edge, of which the map is
   whole ones, see kernels.py. affine: of `prepare`, or null. */
void convolve(const bf16 *x, const bf16 *weights, const float *affine, const bf16 *residual, bf16 *out, int batch,
              int height, int width, int channels, int edge, int threads) {
    Convolution c = {x, weights, residual, affine, out, height, width, channels, batch * (height / edge) * (width / edge)};
    long share = ((c.tiles + threads - 1) / threads + ROWS - 1) / ROWS * ROWS, size = share < TILES ? share : TILES;
#pragma omp parallel for schedule(dynamic)
    for (long first = 0; first < c.tiles; first += size) {
        int count = first + size < c.tiles ? size : c.tiles - first;
        if (edge == 2)
            convolve_small_tiles(&c, first, count, size);
        else
            convolve_large_tiles(&c, first, count, size);
    }
}

/* Patches of `tall` x `wide` pixels that do not overlap, as rows for a matrix product: the pixels of a patch, normed by
   `affine`, and then their plain mean; [batch * patches, (tall * wide + 1) * channels]. */
void patch_rows(const bf16 *x, const float *affine, bf16 *out, int batch, int height, int width, int channels, int tall,
                int wide) {
    int down = height / tall, across = width / wide;
    __m512 share = constant(1.0f / (tall * wide));
#pragma omp parallel for
    for (long patch = 0; patch < (long)batch * down * across; patch++) {
        long b = patch / across / down, row = patch / across % down * tall, column = patch % across * wide;
        const bf16 *corner = x + ((b * height + row) * width + column) * channels;
        bf16 *to = out + patch * (tall * wide + 1) * channels;
        for (int c = 0; c < channels; c += 16) {
            __m512 factor = _mm512_loadu_ps(affine + 2 * b * channels + c);
            __m512 offset = _mm512_loadu_ps(affine + (2 * b + 1) * channels + c), sum = _mm512_setzero_ps();
            for (int i = 0; i < tall; i++)
                for (int j = 0; j < wide; j++) {
                    __m512 value = load(corner + ((long)i * width + j) * channels + c);
                    store(to + (i * wide + j) * channels + c, _mm512_fmadd_ps(value, factor, offset));
                    sum = _mm512_add_ps(sum, value);
                }
            store(to + tall * wide * channels + c, _mm512_mul_ps(sum, share));
        }
    }
}

/* ---- transformer ----------------------------------------------------------------------------------------------- */

/* A strip of a linear layer: sums to bfloat16; plus the residual where there is one; or, `gated`, SiLU of the panel's
   first 16 columns times its other 16. */
INLINE void layer_strip(int rows, int gated, const bf16 *a, long lda, const bf16 *panel, const bf16 *residual,
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
    for (int n = 0; n < columns; n += PANEL, b += (long)inner * PANEL) {
        long at = gated ? n / 2 : n;
        for (int m = 0; m < rows;) {
            const bf16 *from = a + (long)m * inner, *beside = residual ? residual + m * ldo + at : 0;
            bf16 *to = out + m * ldo + at;
            if (m + ROWS <= rows) {
                layer_strip(ROWS, gated, from, inner, b, beside, to, ldo, inner / 2);
                m += ROWS;
            } else {
                layer_strip(1, gated, from, inner, b, beside, to, ldo, inner / 2);
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

/* A linear layer of [batch * rows, inner], layer-normed first, times scale [1 or batch][inner], where that is given.
   Plus the residual where there is one; `gated`, whose weights alternate by 16, SiLU(gate) * value [columns / 2]. */
void linear(const bf16 *x, const float *scale, int scales, float epsilon, const bf16 *weights, const bf16 *residual,
            bf16 *out, int batch, int rows, int inner, int columns, int gated, int threads) {
    long all = (long)batch * rows, share = ((all + threads - 1) / threads + ROWS - 1) / ROWS * ROWS;
    long size = share < LINES ? share : LINES, wide = gated ? columns / 2 : columns;
#pragma omp parallel for schedule(dynamic)
    for (long first = 0; first < all; first += size) {
        long count = all - first < size ? all - first : size;
        const bf16 *from = x + first * inner;
        if (scale) {
            bf16 *normed = room(size * inner * sizeof(bf16));
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

/* Queries of rows [batch, rows, heads * width], `stride` apart, to [batch, heads, rows, width]: RMS-normed, times gain,
   and times 1 / sqrt(width) and log2(e), which attention wants: its exponentials are powers of two. */
void split_queries(const bf16 *rows_in, long stride, const float *gain, float epsilon, bf16 *out, int batch, int rows,
                   int heads, int width) {
#pragma omp parallel for
    for (long job = 0; job < (long)batch * heads * rows; job++) {
        long row = job % rows, head = job / rows % heads, b = job / rows / heads;
        normed_row(rows_in + (b * rows + row) * stride + head * width, gain, 1.44269504f / sqrtf(width), epsilon, width,
                   out + job * width);
    }
}

/* Keys (RMS-normed, times gain) and values of rows [batch, rows, ...], `stride` apart, packed as the right sides of
   queries x keys and weights x values; [batch, heads, padded * width] each, `padded` the next multiple of 32 rows,
   zero beyond the last. */
void split_keys_values(const bf16 *keys_in, const bf16 *values_in, long stride, const float *gain, float epsilon,
                       bf16 *keys, bf16 *values, int batch, int rows, int heads, int width) {
    int panels = (rows + PANEL - 1) / PANEL, padded = panels * PANEL;
    const __m512i across = _mm512_mullo_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
                                              _mm512_set1_epi32(PANEL));
#pragma omp parallel for collapse(2)
    for (int job = 0; job < batch * heads; job++)
        for (int panel = 0; panel < panels; panel++) {
            long b = job / heads, head = job % heads, whole = (long)job * padded * width;
            bf16 *key = room(width * sizeof(bf16)), *to = keys + whole + (long)panel * PANEL * width;
            for (int i = 0; i < PANEL; i++) {
                int row = panel * PANEL + i;
                const bf16 *from = keys_in + (b * rows + row) * stride + head * width;
                if (row < rows) normed_row(from, gain, 1.0f, epsilon, width, key);
                for (int d = 0; d < width; d += 32) /* 16 pairs, each to a line of its own */
                    _mm512_i32scatter_epi32(to + (d / 2 * PANEL + i) * 2, across,
                                            row < rows ? _mm512_loadu_si512(key + d) : _mm512_setzero_si512(), 4);
            }
            for (int i = 0; i < PANEL; i += 2) {
                int row = panel * PANEL + i;
                const bf16 *even = values_in + (b * rows + row) * stride + head * width, *odd = even + stride;
                for (int d = 0; d < width; d += 16) {
                    __m512i low = row < rows ? bits(even + d) : _mm512_setzero_si512();
                    __m512i high = row + 1 < rows ? bits(odd + d) : _mm512_setzero_si512();
                    bf16 *at = values + whole + ((d / PANEL * (padded / 2L) + row / 2) * PANEL + d % PANEL) * 2;
                    _mm512_storeu_si512(at, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
                }
            }
        }
}

/* One row of scores, in two parts of `past` and `own` columns, to weights whose sum is returned and not yet divided
   by; zero in what is padded. */
INLINE float soften(const float *scores, bf16 *weights, int past, int past_padded, int own, int own_padded) {
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

/* Softmax attention of queries [batch, heads, rows, width] on packed keys and values, those of the past (0 rows if
   there is none) and their own, to [batch, rows, heads * width]. */
void attend(const bf16 *queries, const bf16 *past_keys, const bf16 *past_values, int past, const bf16 *own_keys,
            const bf16 *own_values, int own, bf16 *out, int batch, int rows, int heads, int width) {
    int past_padded = (past + PANEL - 1) / PANEL * PANEL, own_padded = (own + PANEL - 1) / PANEL * PANEL;
    int columns = past_padded + own_padded, blocks = (rows + QUERIES - 1) / QUERIES;
#pragma omp parallel for schedule(dynamic)
    for (int job = 0; job < batch * heads * blocks; job++) {
        long item = job / blocks, first = (long)(job % blocks) * QUERIES, b = item / heads, head = item % heads;
        int count = rows - first < QUERIES ? rows - first : QUERIES;
        float *scores = room(QUERIES * (columns * (sizeof(float) + sizeof(bf16)) + width * sizeof(float)));
        float *mixed = scores + (long)QUERIES * columns, sums[QUERIES];
        bf16 *weights = (bf16 *)(mixed + QUERIES * width);
        const bf16 *query = queries + (item * rows + first) * width;
        product(0, query, width, past_keys + item * past_padded * width, scores, columns, count, past_padded,
                width / 2);
        product(0, query, width, own_keys + item * own_padded * width, scores + past_padded, columns, count, own_padded,
                width / 2);
        for (int i = 0; i < count; i++)
            sums[i] = soften(scores + (long)i * columns, weights + (long)i * columns, past, past_padded, own,
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

/* [rows, 2 width], gate then value, to SiLU(gate) * value [rows, width]. */
void gate(const bf16 *x, bf16 *out, long rows, int width) {
#pragma omp parallel for
    for (long row = 0; row < rows; row++)
        for (int d = 0; d < width; d += 16) {
            const bf16 *at = x + 2 * row * width + d;
            store(out + row * width + d, _mm512_mul_ps(silu(load(at)), load(at + width)));
        }
}
