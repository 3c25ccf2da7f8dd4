// The cells: what is done to one unit of one row, without products.
//
// A token has GATES numbers p of the input and GATES numbers q of the state for each unit, in the
// order of the blocks of U; of what is made of them PLANES are kept for the backward pass, which
// puts the gradients of p and q in their place. Where p and q do not enter as p + q alone, q has a
// plane of its own after those of p. A state that is BOUNDED does not grow beyond 1, or what it
// began with.
//
// The first FIRST gates multiply the state. Those after them, if any, multiply what `between` makes
// of it, a plane after those of p too: a step has two stages then.
#pragma once

#include <hardware.h>

namespace zoo {

// i, f, o = sigmoid; g = tanh; c' = f c + i g; h' = o tanh(c')
struct Lstm {
  static constexpr int GATES = 4, FIRST = 4, PLANES = 4;
  static constexpr bool CELL_STATE = true, BOUNDED = true;

  __device__ static void step(const float (&p)[4], const float (&q)[4], float, float& h, float& c,
                              float (&kept)[4]) {
    const float i = sigmoid(p[0] + q[0]), f = sigmoid(p[1] + q[1]);
    const float g = tanhf(p[2] + q[2]), o = sigmoid(p[3] + q[3]);
    c = f * c + i * g;
    h = o * tanhf(c);
    kept[0] = i, kept[1] = f, kept[2] = g, kept[3] = o;
  }

  // by_h and by_c: the gradients by the state after the step, then by that before it, without
  // what comes through the products.
  __device__ static void back(float, float c, float& by_h, float& by_c, float (&plane)[4]) {
    const float i = plane[0], f = plane[1], g = plane[2], o = plane[3];
    const float squashed = tanhf(f * c + i * g);
    plane[3] = by_h * squashed * o * (1 - o);
    by_c += by_h * o * (1 - squashed * squashed);
    plane[0] = by_c * g * i * (1 - i);
    plane[1] = by_c * c * f * (1 - f);
    plane[2] = by_c * i * (1 - g * g);
    by_c *= f;
    by_h = 0;
  }

  // The plane of the gradient of a gate's q.
  __device__ static constexpr int of_q(int gate) { return gate; }
};

// r, z = sigmoid; n = tanh(p + r q); h' = (1 - z) n + z h
struct Gru {
  static constexpr int GATES = 3, FIRST = 3, PLANES = 4;
  static constexpr bool CELL_STATE = false, BOUNDED = true;

  __device__ static void step(const float (&p)[3], const float (&q)[3], float bias, float& h,
                              float&, float (&kept)[4]) {
    const float r = sigmoid(p[0] + q[0]), z = sigmoid(p[1] + q[1]), q_n = q[2] + bias;
    const float n = tanhf(p[2] + r * q_n);
    h = (1 - z) * n + z * h;
    kept[0] = r, kept[1] = z, kept[2] = n, kept[3] = q_n;
  }

  __device__ static void back(float h, float, float& by_h, float&, float (&plane)[4]) {
    const float r = plane[0], z = plane[1], n = plane[2], q_n = plane[3];
    const float by_n = by_h * (1 - z) * (1 - n * n);
    plane[0] = by_n * q_n * r * (1 - r);
    plane[1] = by_h * (h - n) * z * (1 - z);
    plane[2] = by_n;
    plane[3] = by_n * r;
    by_h *= z;
  }

  __device__ static constexpr int of_q(int gate) { return gate == 2 ? 3 : gate; }
};

// r, z = sigmoid; s = r h; n = tanh(p + q), q of s; h' = (1 - z) n + z h. The planes are r z n s.
struct ResetBeforeGru {
  static constexpr int GATES = 3, FIRST = 2, PLANES = 4;
  static constexpr bool CELL_STATE = false, BOUNDED = true;

  __device__ static float between(const float (&p)[3], const float (&q)[3], float h,
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

  __device__ static void back(float h, float, float& by_h, float&, float (&plane)[4]) {
    const float z = plane[1], n = plane[2];
    plane[1] = by_h * (h - n) * z * (1 - z);
    plane[2] = by_h * (1 - z) * (1 - n * n);
    by_h *= z;
  }

  // by_s: the gradient by what `between` made; by_h: as `back` left it.
  __device__ static void back_between(float h, float by_s, float& by_h, float&, float (&plane)[4]) {
    const float r = plane[0];
    plane[0] = by_s * h * r * (1 - r);
    by_h += by_s * r;
  }

  __device__ static constexpr int of_q(int gate) { return gate; }
};

// f = sigmoid; s = f h; n = tanh(p + q), q of s; h' = (1 - f) h + f n. The planes are f n s.
struct Mgu {
  static constexpr int GATES = 2, FIRST = 1, PLANES = 3;
  static constexpr bool CELL_STATE = false, BOUNDED = true;

  __device__ static float between(const float (&p)[2], const float (&q)[2], float h,
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

  // There is no c: by_f takes the place of its gradient from one stage to the next.
  __device__ static void back(float h, float, float& by_h, float& by_f, float (&plane)[3]) {
    const float f = plane[0], n = plane[1];
    by_f = by_h * (n - h);
    plane[1] = by_h * f * (1 - n * n);
    by_h *= 1 - f;
  }

  __device__ static void back_between(float h, float by_s, float& by_h, float& by_f,
                                      float (&plane)[3]) {
    const float f = plane[0];
    plane[0] = (by_f + by_s * h) * f * (1 - f);
    by_h += by_s * f;
  }

  __device__ static constexpr int of_q(int gate) { return gate; }
};

// f = sigmoid; n = tanh(p + f q); h' = (1 - f) n + f h
struct ResetAfterMgu {
  static constexpr int GATES = 2, FIRST = 2, PLANES = 3;
  static constexpr bool CELL_STATE = false, BOUNDED = true;

  __device__ static void step(const float (&p)[2], const float (&q)[2], float bias, float& h,
                              float&, float (&kept)[3]) {
    const float f = sigmoid(p[0] + q[0]), q_n = q[1] + bias;
    const float n = tanhf(p[1] + f * q_n);
    h = (1 - f) * n + f * h;
    kept[0] = f, kept[1] = n, kept[2] = q_n;
  }

  __device__ static void back(float h, float, float& by_h, float&, float (&plane)[3]) {
    const float f = plane[0], n = plane[1], q_n = plane[2];
    const float by_n = by_h * (1 - f) * (1 - n * n);
    plane[0] = (by_h * (h - n) + by_n * q_n) * f * (1 - f);
    plane[1] = by_n;
    plane[2] = by_n * f;
    by_h *= f;
  }

  __device__ static constexpr int of_q(int gate) { return gate == 1 ? 2 : gate; }
};

// h' = tanh(p + q), or the positive part of it
template <bool Relu>
struct Elman {
  static constexpr int GATES = 1, FIRST = 1, PLANES = 1;
  static constexpr bool CELL_STATE = false, BOUNDED = !Relu;

  __device__ static void step(const float (&p)[1], const float (&q)[1], float, float& h, float&,
                              float (&kept)[1]) {
    const float sum = p[0] + q[0];
    // Not fmaxf, which would hide what is not a number.
    h = Relu ? (sum < 0 ? 0 : sum) : tanhf(sum);
    kept[0] = h;
  }

  __device__ static void back(float, float, float& by_h, float&, float (&plane)[1]) {
    const float h = plane[0];
    plane[0] = Relu ? (h > 0 ? by_h : 0) : by_h * (1 - h * h);
    by_h = 0;
  }

  __device__ static constexpr int of_q(int gate) { return gate; }
};

}  // namespace zoo
