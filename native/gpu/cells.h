// The cells: their elementwise operations, for one unit of one row.
//
// For each unit, a token has GATES numbers p = xW + b and GATES numbers q = hU, in the order of the
// blocks of U. PLANES numbers computed from them are kept for the backward pass, which overwrites
// them with the gradients of p and q. Where p and q do not enter as p + q alone, q has a plane of
// its own after those of p. A BOUNDED state does not exceed 1, or the magnitude it started with.
//
// The first STATE_GATES gates multiply the state. The others, if any, multiply what `first_stage`
// computes, which is a plane after those of p too. A step then has two stages.
#pragma once

#include <hardware.h>

namespace zoo {

// i, f, o = sigmoid; g = tanh; c' = f c + i g; h' = o tanh(c')
struct Lstm {
  static constexpr int GATES = 4, STATE_GATES = 4, PLANES = 4;
  static constexpr bool CELL_STATE = true, BOUNDED = true;

  __device__ static void step(const float (&p)[4], const float (&q)[4], float, float& h, float& c,
                              float (&kept)[4]) {
    const float i = sigmoid(p[0] + q[0]), f = sigmoid(p[1] + q[1]);
    const float g = tanhf(p[2] + q[2]), o = sigmoid(p[3] + q[3]);
    c = f * c + i * g;
    h = o * tanhf(c);
    kept[0] = i, kept[1] = f, kept[2] = g, kept[3] = o;
  }

  // d_h and d_c: the gradients of the state after the step, overwritten by those of the state
  // before it, except for what comes from the products.
  __device__ static void backward(float, float c, float& d_h, float& d_c, float (&plane)[4]) {
    const float i = plane[0], f = plane[1], g = plane[2], o = plane[3];
    const float tanh_c = tanhf(f * c + i * g);
    plane[3] = d_h * tanh_c * o * (1 - o);
    d_c += d_h * o * (1 - tanh_c * tanh_c);
    plane[0] = d_c * g * i * (1 - i);
    plane[1] = d_c * c * f * (1 - f);
    plane[2] = d_c * i * (1 - g * g);
    d_c *= f;
    d_h = 0;
  }

  // Return the plane of the gradient of a gate's q.
  __device__ static constexpr int plane_of_q(int gate) { return gate; }
};

// r, z = sigmoid; n = tanh(p + r q); h' = (1 - z) n + z h
struct Gru {
  static constexpr int GATES = 3, STATE_GATES = 3, PLANES = 4;
  static constexpr bool CELL_STATE = false, BOUNDED = true;

  __device__ static void step(const float (&p)[3], const float (&q)[3], float bias, float& h,
                              float&, float (&kept)[4]) {
    const float r = sigmoid(p[0] + q[0]), z = sigmoid(p[1] + q[1]), q_n = q[2] + bias;
    const float n = tanhf(p[2] + r * q_n);
    h = (1 - z) * n + z * h;
    kept[0] = r, kept[1] = z, kept[2] = n, kept[3] = q_n;
  }

  __device__ static void backward(float h, float, float& d_h, float&, float (&plane)[4]) {
    const float r = plane[0], z = plane[1], n = plane[2], q_n = plane[3];
    const float d_n = d_h * (1 - z) * (1 - n * n);
    plane[0] = d_n * q_n * r * (1 - r);
    plane[1] = d_h * (h - n) * z * (1 - z);
    plane[2] = d_n;
    plane[3] = d_n * r;
    d_h *= z;
  }

  __device__ static constexpr int plane_of_q(int gate) { return gate == 2 ? 3 : gate; }
};

// r, z = sigmoid; s = r h; n = tanh(p + q), q of s; h' = (1 - z) n + z h. The planes are r z n s.
struct ResetBeforeGru {
  static constexpr int GATES = 3, STATE_GATES = 2, PLANES = 4;
  static constexpr bool CELL_STATE = false, BOUNDED = true;

  __device__ static float first_stage(const float (&p)[3], const float (&q)[3], float h,
                                      float (&kept)[4]) {
    const float r = sigmoid(p[0] + q[0]);
    kept[0] = r, kept[1] = sigmoid(p[1] + q[1]), kept[3] = r * h;
    return kept[3];
  }

  __device__ static void step(const float (&p)[3], const float (&q)[3], float, float& h, float&,
                              float (&kept)[4]) {
    const float z = kept[1], n = tanhf(p[2] + q[2]);
    h = (1 - z) * n + z * h;
    kept[2] = n;
  }

  __device__ static void backward(float h, float, float& d_h, float&, float (&plane)[4]) {
    const float z = plane[1], n = plane[2];
    plane[1] = d_h * (h - n) * z * (1 - z);
    plane[2] = d_h * (1 - z) * (1 - n * n);
    d_h *= z;
  }

  // d_s: the gradient of what `first_stage` returned; d_h: as `backward` left it.
  __device__ static void first_stage_backward(float h, float d_s, float& d_h, float&,
                                              float (&plane)[4]) {
    const float r = plane[0];
    plane[0] = d_s * h * r * (1 - r);
    d_h += d_s * r;
  }

  __device__ static constexpr int plane_of_q(int gate) { return gate; }
};

// f = sigmoid; s = f h; n = tanh(p + q), q of s; h' = (1 - f) h + f n. The planes are f n s.
struct Mgu {
  static constexpr int GATES = 2, STATE_GATES = 1, PLANES = 3;
  static constexpr bool CELL_STATE = false, BOUNDED = true;

  __device__ static float first_stage(const float (&p)[2], const float (&q)[2], float h,
                                      float (&kept)[3]) {
    const float f = sigmoid(p[0] + q[0]);
    kept[0] = f, kept[2] = f * h;
    return kept[2];
  }

  __device__ static void step(const float (&p)[2], const float (&q)[2], float, float& h, float&,
                              float (&kept)[3]) {
    const float f = kept[0], n = tanhf(p[1] + q[1]);
    h = (1 - f) * h + f * n;
    kept[1] = n;
  }

  // There is no c: its place passes the gradient of f from one stage to the next.
  __device__ static void backward(float h, float, float& d_h, float& d_f, float (&plane)[3]) {
    const float f = plane[0], n = plane[1];
    d_f = d_h * (n - h);
    plane[1] = d_h * f * (1 - n * n);
    d_h *= 1 - f;
  }

  __device__ static void first_stage_backward(float h, float d_s, float& d_h, float& d_f,
                                              float (&plane)[3]) {
    const float f = plane[0];
    plane[0] = (d_f + d_s * h) * f * (1 - f);
    d_h += d_s * f;
  }

  __device__ static constexpr int plane_of_q(int gate) { return gate; }
};

// f = sigmoid; n = tanh(p + f q); h' = (1 - f) n + f h
struct ResetAfterMgu {
  static constexpr int GATES = 2, STATE_GATES = 2, PLANES = 3;
  static constexpr bool CELL_STATE = false, BOUNDED = true;

  __device__ static void step(const float (&p)[2], const float (&q)[2], float bias, float& h,
                              float&, float (&kept)[3]) {
    const float f = sigmoid(p[0] + q[0]), q_n = q[1] + bias;
    const float n = tanhf(p[1] + f * q_n);
    h = (1 - f) * n + f * h;
    kept[0] = f, kept[1] = n, kept[2] = q_n;
  }

  __device__ static void backward(float h, float, float& d_h, float&, float (&plane)[3]) {
    const float f = plane[0], n = plane[1], q_n = plane[2];
    const float d_n = d_h * (1 - f) * (1 - n * n);
    plane[0] = (d_h * (h - n) + d_n * q_n) * f * (1 - f);
    plane[1] = d_n;
    plane[2] = d_n * f;
    d_h *= f;
  }

  __device__ static constexpr int plane_of_q(int gate) { return gate == 1 ? 2 : gate; }
};

// h' = tanh(p + q) or ReLU(p + q)
template <bool Relu>
struct Elman {
  static constexpr int GATES = 1, STATE_GATES = 1, PLANES = 1;
  static constexpr bool CELL_STATE = false, BOUNDED = !Relu;

  __device__ static void step(const float (&p)[1], const float (&q)[1], float, float& h, float&,
                              float (&kept)[1]) {
    const float sum = p[0] + q[0];
    // Not fmaxf, which would turn NaN into a number.
    h = Relu ? (sum < 0 ? 0 : sum) : tanhf(sum);
    kept[0] = h;
  }

  __device__ static void backward(float, float, float& d_h, float&, float (&plane)[1]) {
    const float h = plane[0];
    plane[0] = Relu ? (h > 0 ? d_h : 0) : d_h * (1 - h * h);
    d_h = 0;
  }

  __device__ static constexpr int plane_of_q(int gate) { return gate; }
};

}  // namespace zoo
