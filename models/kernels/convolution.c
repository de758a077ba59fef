/* 3x3 convolutions of channels-last maps, [batch, rows, columns, channels] in memory, with even rows
   and columns, by Winograd's algorithm (Lavin and Gray, arXiv 1509.09308): F(4x4, 3x3) takes 36
   multiplications for 144 of the direct form, F(2x2, 3x3), for maps of few tiles, 16 for 36.
   Also the patches of resampling layers, gathered in one pass. */

#include "kernels.h"

enum { TILES = 24, PARTS = 8 };

/* out = (x + injected) / sqrt(2) if `injected` is given, and the group norm of the result (or of x)
   as affine [batch][2][channels], factor and offset of each channel. `partial` is scratch memory of
   batch * PARTS * 2 * channels floats. */
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
    int height, width, channels, tiles; /* tiles of the whole batch */
} Convolution;

/* Winograd's transforms of one line, for tiles of 2 or of 4 pixels; points 0, 1, -1 or 0, +-2/3,
   +-3/2, and infinity. Of the points tried for 4, these lose least in bfloat16. __init__.py has the
   same points. */
static const float NEAR = 2.0f / 3, FAR = 3.0f / 2;

INLINE void winograd_input_line(int tile_size, const __m512 *d, __m512 *to, int step) {
    if (tile_size == 2) {
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

INLINE void winograd_output_line(int tile_size, const __m512 *m, __m512 *to, int step) {
    __m512 sum = _mm512_add_ps(m[1], m[2]), difference = _mm512_sub_ps(m[1], m[2]);
    if (tile_size == 2) {
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

/* Transform the normed input of one tile (its pixels and the border around them, 16 channels) to as
   many values, `step` apart. Pixels outside the map are zero. */
INLINE void winograd_input_transform(int tile_size, const bf16 *image, int top, int left, int height, int width,
                                     long channels, __m512 factor, __m512 offset, bf16 *to, long step) {
    __m512 v[6][6], line[6];
    int size = tile_size + 2;
    UNROLL for (int j = 0; j < size; j++) {
        UNROLL for (int i = 0; i < size; i++) {
            int row = top + i, column = left + j;
            int inside = row >= 0 && row < height && column >= 0 && column < width;
            line[i] = inside ? _mm512_fmadd_ps(load(image + ((long)row * width + column) * channels), factor, offset)
                             : _mm512_setzero_ps();
        }
        winograd_input_line(tile_size, line, &v[0][j], 6);
    }
    UNROLL for (int i = 0; i < size; i++, to += size * step) {
        winograd_input_line(tile_size, v[i], line, 1);
        UNROLL for (int j = 0; j < size; j++) store(to + j * step, line[j]);
    }
}

/* Transform products, `step` apart, to the pixels [row][column] of a tile. */
INLINE void winograd_output_transform(int tile_size, const float *m, long step, __m512 pixels[4][4]) {
    __m512 s[4][6], line[6];
    int size = tile_size + 2;
    UNROLL for (int j = 0; j < size; j++) {
        UNROLL for (int i = 0; i < size; i++) line[i] = _mm512_loadu_ps(m + (i * size + j) * step);
        winograd_output_line(tile_size, line, &s[0][j], 6);
    }
    UNROLL for (int i = 0; i < tile_size; i++) winograd_output_line(tile_size, s[i], pixels[i], 1);
}

/* Convolve `count` tiles, starting at tile `first`. */
INLINE void convolve_tiles(int tile_size, const Convolution *c, long first, int count, long max_tiles) {
    int size = (tile_size + 2) * (tile_size + 2), channels = c->channels;
    int across = c->width / tile_size, down = c->height / tile_size;
    long step = max_tiles * channels + PACK_WIDTH; /* not a power of two, to avoid cache conflicts */
    bf16 *inputs = scratch(size * step * (sizeof(bf16) + sizeof(float)));
    float *outputs = (float *)(inputs + size * step);
    for (int t = 0; t < count; t++) {
        long tile = first + t, b = tile / across / down;
        int top = tile_size * (tile / across % down) - 1, left = tile_size * (tile % across) - 1;
        for (int d = 0; d < channels; d += 16) {
            const float *affine = c->affine + 2 * b * channels + d;
            __m512 factor = c->affine ? _mm512_loadu_ps(affine) : constant(1.0f);
            __m512 offset = c->affine ? _mm512_loadu_ps(affine + channels) : _mm512_setzero_ps();
            const bf16 *image = c->x + b * c->height * c->width * channels + d;
            winograd_input_transform(tile_size, image, top, left, c->height, c->width, channels, factor, offset,
                                     inputs + (long)t * channels + d, step);
        }
    }
    for (int k = 0; k < size; k++)
        product(0, inputs + k * step, channels, c->weights + (long)k * channels * channels, outputs + k * step,
                channels, count, channels, channels / 2);
    for (int t = 0; t < count; t++) {
        long tile = first + t, b = tile / across / down;
        long corner = (b * c->height + tile_size * (tile / across % down)) * c->width + tile_size * (tile % across);
        for (int d = 0; d < channels; d += 16) {
            __m512 pixels[4][4];
            winograd_output_transform(tile_size, outputs + (long)t * channels + d, step, pixels);
            UNROLL for (int i = 0; i < tile_size; i++)
                UNROLL for (int j = 0; j < tile_size; j++) {
                    long at = (corner + i * c->width + j) * channels + d;
                    store(c->out + at, c->residual ? _mm512_add_ps(pixels[i][j], load(c->residual + at))
                                                   : silu(pixels[i][j]));
                }
        }
    }
}

static __attribute__((noinline)) void convolve_small_tiles(const Convolution *c, long first, int count,
                                                           long max_tiles) {
    convolve_tiles(2, c, first, count, max_tiles);
}

static __attribute__((noinline)) void convolve_large_tiles(const Convolution *c, long first, int count,
                                                           long max_tiles) {
    convolve_tiles(4, c, first, count, max_tiles);
}

/* out = conv3x3(x * factor + offset) without bias; then SiLU, or plus `residual` if it is given.
   weights: (tile_size + 2)^2 packed matrices [channels, channels] (see __init__.py) for tiles of 2x2
   or 4x4 pixels, which cover the map. affine: from `prepare`, or null. */
void convolve(const bf16 *x, const bf16 *weights, const float *affine, const bf16 *residual, bf16 *out, int batch,
              int height, int width, int channels, int tile_size, int threads) {
    int tiles = batch * (height / tile_size) * (width / tile_size);
    Convolution c = {x, weights, residual, affine, out, height, width, channels, tiles};
    long share = ((c.tiles + threads - 1) / threads + ROWS - 1) / ROWS * ROWS, size = share < TILES ? share : TILES;
#pragma omp parallel for schedule(dynamic)
    for (long first = 0; first < c.tiles; first += size) {
        int count = first + size < c.tiles ? size : c.tiles - first;
        if (tile_size == 2)
            convolve_small_tiles(&c, first, count, size);
        else
            convolve_large_tiles(&c, first, count, size);
    }
}

/* Write the patches of `tall` x `wide` pixels, which do not overlap, as rows of a matrix product
   [batch * patches, (tall * wide + 1) * channels]: the pixels normed by `affine`, then the mean of
   the pixels without the norm. */
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
