/* Derivatives by hand of the programs in programs.py, one thread, doubles. Arrays lie as they do there. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Replaces x by its softmax and returns its log-sum-exp. */
static double softmax(int n, double *x)
{
    double top = x[0], sum = 0.0;
    for (int i = 1; i < n; i++)
        if (x[i] > top)
            top = x[i];
    for (int i = 0; i < n; i++)
        sum += x[i] = exp(x[i] - top);
    double inverse = 1.0 / sum;
    for (int i = 0; i < n; i++)
        x[i] *= inverse;
    return top + log(sum);
}

double lse(int n, const double *x, double *gradient)
{
    memcpy(gradient, x, n * sizeof *x);
    return softmax(n, gradient);
}

/* The log posterior; constant is what depends on no parameter. */
double gmm(int d, int k, int n, double extra, double gamma, double constant, const double *restrict params,
           const double *restrict rows, double *restrict gradient)
{
    int below = d * (d - 1) / 2;
    const double *means = params + k, *logs = means + k * d, *lower = logs + k * d;
    double *d_means = gradient + k, *d_logs = d_means + k * d, *d_lower = d_logs + k * d;
    double *scales = malloc((3 * k * d + 3 * k) * sizeof(double));
    double *away = scales + k * d, *white = away + k * d, *weights = white + k * d, *sums = weights + k,
           *density = sums + k;
    double value = constant;

    memset(gradient, 0, (k + 2 * k * d + k * below) * sizeof(double));
    for (int c = 0; c < k; c++) {
        sums[c] = 0.0;
        for (int i = 0; i < d; i++) {
            sums[c] += logs[c * d + i];
            scales[c * d + i] = exp(logs[c * d + i]);
        }
        weights[c] = params[c] + sums[c];
    }

    for (int r = 0; r < n; r++) {
        const double *row = rows + r * d;
        for (int c = 0; c < k; c++) {
            const double *l = lower + c * below;
            double *a = away + c * d, *w = white + c * d, square = 0.0;
            for (int i = 0; i < d; i++) {
                a[i] = row[i] - means[c * d + i];
                w[i] = scales[c * d + i] * a[i];
            }
            for (int i = 0; i < d; i++)
                for (int j = i + 1; j < d; j++)
                    w[j] += *l++ * a[i];
            for (int i = 0; i < d; i++)
                square += w[i] * w[i];
            density[c] = weights[c] - 0.5 * square;
        }
        value += softmax(k, density);
        for (int c = 0; c < k; c++) {
            const double *l = lower + c * below, *a = away + c * d;
            double *dl = d_lower + c * below, *dm = d_means + c * d, *dq = d_logs + c * d, *w = white + c * d;
            double share = density[c];
            gradient[c] += share;
            for (int i = 0; i < d; i++)
                w[i] *= share;
            for (int i = 0; i < d; i++) {
                double pull = scales[c * d + i] * w[i];
                dq[i] -= pull * a[i];
                for (int j = i + 1; j < d; j++) {
                    pull += *l++ * w[j];
                    *dl++ -= a[i] * w[j];
                }
                dm[i] += pull;
            }
        }
    }

    memcpy(density, params, k * sizeof(double)); /* the normalised weights, and the prior */
    for (int c = 0; c < k; c++)
        for (int i = 0; i < d; i++)
            d_logs[c * d + i] += gradient[c]; /* the share of a component also goes to its determinant */
    value -= n * softmax(k, density);
    for (int c = 0; c < k; c++) {
        double square = 0.0;
        gradient[c] -= n * density[c];
        for (int i = 0; i < d; i++) {
            double own = scales[c * d + i] * scales[c * d + i];
            square += own;
            d_logs[c * d + i] += extra - gamma * gamma * own;
        }
        for (int p = 0; p < below; p++) {
            double own = lower[c * below + p];
            square += own * own;
            d_lower[c * below + p] -= gamma * gamma * own;
        }
        value -= 0.5 * gamma * gamma * square - extra * sums[c];
    }
    free(scales);
    return value;
}

/* The 2 x 15 derivatives of every observation; a row has 17 numbers. */
void ba(int n, const double *restrict rows, double *restrict jacobian)
{
    for (int r = 0; r < n; r++, rows += 17, jacobian += 30) {
        const double *turn = rows, *centre = rows + 3, *point = rows + 11;
        double focal = rows[6], k1 = rows[9], k2 = rows[10], weight = rows[14];
        double angle = sqrt(turn[0] * turn[0] + turn[1] * turn[1] + turn[2] * turn[2]), inverse = 1.0 / angle;
        double c = cos(angle), s = sin(angle), rest = 1.0 - c;
        double v[3], o[3], by_turn[3][3], by_point[3][3], x[3];

        for (int i = 0; i < 3; i++) {
            v[i] = turn[i] * inverse;
            o[i] = point[i] - centre[i];
        }
        double along = v[0] * o[0] + v[1] * o[1] + v[2] * o[2];
        double across[3] = {v[1] * o[2] - v[2] * o[1], v[2] * o[0] - v[0] * o[2], v[0] * o[1] - v[1] * o[0]};
        for (int i = 0; i < 3; i++)
            x[i] = c * o[i] + s * across[i] + rest * along * v[i];

        /* The rotation matrix, which is the derivative by the point. */
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++)
                by_point[i][j] = rest * v[i] * v[j] + (i == j ? c : 0.0);
        by_point[0][1] -= s * v[2], by_point[1][0] += s * v[2];
        by_point[0][2] += s * v[1], by_point[2][0] -= s * v[1];
        by_point[1][2] -= s * v[0], by_point[2][1] += s * v[0];

        /* By the rotation: along the axis by the angle, and across it, where the axis itself turns by 1 / angle. */
        double spin[3]; /* by the angle, less what the axis loses of its length */
        double sine = s * inverse, part = rest * inverse;
        for (int i = 0; i < 3; i++)
            spin[i] = c * across[i] - s * o[i] + s * along * v[i] - sine * across[i] - 2.0 * part * along * v[i];
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++)
                by_turn[i][j] = spin[i] * v[j] + part * v[i] * o[j] + (i == j ? part * along : 0.0);
        by_turn[0][1] += sine * o[2], by_turn[0][2] -= sine * o[1];
        by_turn[1][2] += sine * o[0], by_turn[1][0] -= sine * o[2];
        by_turn[2][0] += sine * o[1], by_turn[2][1] -= sine * o[0];

        double depth = 1.0 / x[2], p[2] = {x[0] * depth, x[1] * depth};
        double radius = p[0] * p[0] + p[1] * p[1];
        double bend = 1.0 + radius * (k1 + radius * k2), bent = 2.0 * (k1 + 2.0 * radius * k2);
        double zoom = weight * focal;
        for (int a = 0; a < 2; a++) {
            double *row = jacobian + 15 * a;
            /* By the flat coordinates, and by the three coordinates before the camera. */
            double by0 = zoom * (p[a] * bent * p[0] + (a == 0 ? bend : 0.0)) * depth;
            double by1 = zoom * (p[a] * bent * p[1] + (a == 1 ? bend : 0.0)) * depth;
            double by2 = -(by0 * p[0] + by1 * p[1]);
            for (int j = 0; j < 3; j++) {
                row[j] = by0 * by_turn[0][j] + by1 * by_turn[1][j] + by2 * by_turn[2][j];
                row[11 + j] = by0 * by_point[0][j] + by1 * by_point[1][j] + by2 * by_point[2][j];
                row[3 + j] = -row[11 + j];
            }
            row[6] = weight * p[a] * bend;
            row[7] = a == 0 ? weight : 0.0;
            row[8] = a == 1 ? weight : 0.0;
            row[9] = zoom * p[a] * radius;
            row[10] = row[9] * radius;
            row[14] = p[a] * bend * focal + rows[7 + a] - rows[15 + a];
        }
    }
}

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

/* The mean negative log likelihood; state is [layers, 2, b], sequence [c, b]. */
double lstm(int layers, int c, int b, const double *restrict params, const double *restrict state,
            const double *restrict sequence, double *restrict gradient)
{
    enum { FORGET, TAKE, GIVE, CHANGE, SQUASHED, KEPT }; /* what a step keeps of every unit */
    const double *taken = params + 8 * layers * b, *given = taken + b, *offset = given + b;
    double *d_taken = gradient + 8 * layers * b, *d_given = d_taken + b, *d_offset = d_given + b;
    int units = layers * b, steps = c - 1;
    double *kept = malloc(((size_t)steps * units * KEPT + (size_t)2 * c * units + steps * b + 2 * units + b)
                          * sizeof(double));
    double *hidden = kept + (size_t)steps * units * KEPT, *cell = hidden + (size_t)c * units;
    double *d_out = cell + (size_t)c * units, *d_hidden = d_out + steps * b, *d_cell = d_hidden + units,
           *d_x = d_cell + units;
    double likelihood = 0.0, scale = -1.0 / ((double)b * steps);

    for (int l = 0; l < layers; l++)
        for (int i = 0; i < b; i++) {
            hidden[l * b + i] = state[2 * l * b + i];
            cell[l * b + i] = state[(2 * l + 1) * b + i];
        }
    for (int t = 0; t < steps; t++) {
        double *h = hidden + (size_t)t * units, *s = cell + (size_t)t * units, *k = kept + (size_t)t * units * KEPT;
        for (int l = 0; l < layers; l++) {
            const double *w = params + 8 * l * b, *o = w + 4 * b;
            for (int i = 0; i < b; i++, k += KEPT) {
                int u = l * b + i;
                double x = l ? h[units + u - b] : sequence[t * b + i] * taken[i];
                k[FORGET] = sigmoid(x * w[i] + o[i]);
                k[TAKE] = sigmoid(h[u] * w[b + i] + o[b + i]);
                k[GIVE] = sigmoid(x * w[2 * b + i] + o[2 * b + i]);
                k[CHANGE] = tanh(h[u] * w[3 * b + i] + o[3 * b + i]);
                s[units + u] = s[u] * k[FORGET] + k[TAKE] * k[CHANGE];
                k[SQUASHED] = tanh(s[units + u]);
                h[units + u] = k[GIVE] * k[SQUASHED];
            }
        }
        /* The output, and the adjoint of what it is made of. */
        const double *top = h + 2 * units - b, *next = sequence + (t + 1) * b;
        double *out = d_out + t * b, sum = 2.0, bits = 0.0, dot = 0.0;
        for (int i = 0; i < b; i++) {
            double y = top[i] * given[i] + offset[i];
            dot += next[i] * y;
            bits += next[i];
            sum += out[i] = exp(y);
        }
        likelihood += dot - bits * log(sum);
        for (int i = 0; i < b; i++)
            out[i] = scale * (next[i] - bits / sum * out[i]);
    }

    memset(gradient, 0, (8 * units + 3 * b) * sizeof(double));
    memset(d_hidden, 0, 2 * units * sizeof(double));
    for (int t = steps - 1; t >= 0; t--) {
        const double *h = hidden + (size_t)t * units, *s = cell + (size_t)t * units, *top = h + 2 * units - b;
        const double *k = kept + (size_t)t * units * KEPT;
        for (int i = 0; i < b; i++) {
            double out = d_out[t * b + i];
            d_given[i] += out * top[i];
            d_offset[i] += out;
            d_x[i] = out * given[i];
        }
        for (int l = layers - 1; l >= 0; l--) {
            const double *w = params + 8 * l * b;
            double *dw = gradient + 8 * l * b, *bias = dw + 4 * b;
            for (int i = 0; i < b; i++) {
                int u = l * b + i;
                const double *own = k + u * KEPT;
                double x = l ? h[units + u - b] : sequence[t * b + i] * taken[i];
                double dh = d_hidden[u] + d_x[i];
                double ds = d_cell[u] + dh * own[GIVE] * (1.0 - own[SQUASHED] * own[SQUASHED]);
                double forget = ds * s[u] * own[FORGET] * (1.0 - own[FORGET]);
                double take = ds * own[CHANGE] * own[TAKE] * (1.0 - own[TAKE]);
                double give = dh * own[SQUASHED] * own[GIVE] * (1.0 - own[GIVE]);
                double change = ds * own[TAKE] * (1.0 - own[CHANGE] * own[CHANGE]);
                dw[i] += forget * x, bias[i] += forget;
                dw[b + i] += take * h[u], bias[b + i] += take;
                dw[2 * b + i] += give * x, bias[2 * b + i] += give;
                dw[3 * b + i] += change * h[u], bias[3 * b + i] += change;
                d_cell[u] = ds * own[FORGET];
                d_hidden[u] = take * w[b + i] + change * w[3 * b + i];
                d_x[i] = forget * w[i] + give * w[2 * b + i];
            }
        }
        for (int i = 0; i < b; i++)
            d_taken[i] += d_x[i] * sequence[t * b + i];
    }
    free(kept);
    return likelihood * scale;
}
