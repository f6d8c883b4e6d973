/* The sweep of a net by hand: rows of links, blocks of samples side by side, delta pushed to the sources.
 *
 * phi and delta hold `block` numbers per unit. The loops over a block are for the compiler to vectorise; it knows their
 * length. Activations: 0 linear, 1 tanh, 2 sigmoid, 3 relu, 4 sin, 5 gaussian. The number of samples is a multiple of
 * the block. The loss is half the sum of squares, its gradient added to by_weight and by_bias.
 */
#include <math.h>
#include <string.h>

#ifndef BLOCK
#define BLOCK 32
#endif

static void apply(int kind, const double *a, double *phi, double *slope) {
    switch (kind) {
    case 0: for (int s = 0; s < BLOCK; s++) { phi[s] = a[s]; slope[s] = 1; } break;
    case 1: for (int s = 0; s < BLOCK; s++) { phi[s] = tanh(a[s]); slope[s] = 1 - phi[s] * phi[s]; } break;
    case 2: for (int s = 0; s < BLOCK; s++) { phi[s] = 1 / (1 + exp(-a[s])); slope[s] = phi[s] * (1 - phi[s]); } break;
    case 3: for (int s = 0; s < BLOCK; s++) { phi[s] = a[s] > 0 ? a[s] : 0; slope[s] = a[s] > 0; } break;
    case 4: for (int s = 0; s < BLOCK; s++) { phi[s] = sin(a[s]); slope[s] = cos(a[s]); } break;
    default: for (int s = 0; s < BLOCK; s++) { phi[s] = exp(-a[s] * a[s]); slope[s] = -2 * a[s] * phi[s]; }
    }
}

double sweep(long units, long inputs, long outputs, const long *output, const long *first, const long *source,
             const long *kind, const double *weight, const double *bias, const double *x, const double *y,
             long samples, double *phi, double *delta, double *slope, double *by_weight, double *by_bias) {
    double loss = 0;
    for (long start = 0; start < samples; start += BLOCK) {
        for (long i = 0; i < inputs; i++)
            for (int s = 0; s < BLOCK; s++) phi[i * BLOCK + s] = x[(start + s) * inputs + i];
        for (long l = inputs; l < units; l++) {
            double a[BLOCK];
            for (int s = 0; s < BLOCK; s++) a[s] = bias[l];
            for (long e = first[l]; e < first[l + 1]; e++) {
                const double *p = phi + source[e] * BLOCK, w = weight[e];
                for (int s = 0; s < BLOCK; s++) a[s] += w * p[s];
            }
            apply((int)kind[l], a, phi + l * BLOCK, slope + l * BLOCK);
        }
        memset(delta, 0, sizeof(double) * units * BLOCK);
        for (long k = 0; k < outputs; k++)
            for (int s = 0; s < BLOCK; s++) {
                double error = phi[output[k] * BLOCK + s] - y[(start + s) * outputs + k];
                loss += error * error / 2;
                delta[output[k] * BLOCK + s] = error;
            }
        for (long l = units - 1; l >= inputs; l--) {
            double d[BLOCK], sum = 0;
            for (int s = 0; s < BLOCK; s++) sum += d[s] = delta[l * BLOCK + s] * slope[l * BLOCK + s];
            by_bias[l] += sum;
            for (long e = first[l]; e < first[l + 1]; e++) {
                const double *p = phi + source[e] * BLOCK, w = weight[e];
                double *to = delta + source[e] * BLOCK, product = 0;
                for (int s = 0; s < BLOCK; s++) {
                    product += d[s] * p[s];
                    to[s] += w * d[s];
                }
                by_weight[e] += product;
            }
        }
    }
    return loss;
}
