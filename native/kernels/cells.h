// The cells: what is done to one vector of units of one row, without products.
//
// A token has PLANES numbers for each unit. The forward pass first holds there what the
// products made, then the gates; the backward pass puts the gradients of what the products
// made in their place. X and U tell to which planes the products with x and with h go.
#pragma once

#include "vector.h"

namespace zoo {

// One vector of units in one row; `plane` is the distance between planes.
struct ForwardStep {
  const float* h_before;
  float* h;      // after
  float* c;      // before, and after
  float* gates;  // of which some cells read a plane; all are written if `keep`
  long plane;
  bool keep;
};

struct BackwardStep {
  float* gates;
  long plane;
  Vector h_before, c_before, c;
  Vector by_h;         // the gradient of the loss by the state after the step
  float* by_c;         // the same, and the gradient by the state before the step
  float* by_h_before;  // without what comes through the products
};

// i, f, o = sigmoid; g = tanh; c' = f c + i g; h' = o tanh(c')
struct Lstm {
  static constexpr int PLANES = 4, X[] = {0, 1, 2, 3}, U[] = {0, 1, 2, 3};
  static constexpr bool CELL_STATE = true;

  static void forward(const Vector (&a)[4], const ForwardStep& at) {
    const Vector i = sigmoid(a[0]), f = sigmoid(a[1]), g = tanh(a[2]), o = sigmoid(a[3]);
    const Vector c = f * load(at.c) + i * g;
    store(at.c, c);
    store(at.h, o * tanh(c));
    if (at.keep) {
      store(at.gates, i);
      store(at.gates + at.plane, f);
      store(at.gates + 2 * at.plane, g);
      store(at.gates + 3 * at.plane, o);
    }
  }

  static void backward(const BackwardStep& at) {
    float* gates = at.gates;
    const Vector i = load(gates), f = load(gates + at.plane), g = load(gates + 2 * at.plane),
                 o = load(gates + 3 * at.plane);
    const Vector squashed = tanh(at.c);
    const Vector by_c = load(at.by_c) + at.by_h * o * (1.0f - squashed * squashed);
    store(gates, by_c * g * i * (1.0f - i));
    store(gates + at.plane, by_c * at.c_before * f * (1.0f - f));
    store(gates + 2 * at.plane, by_c * i * (1.0f - g * g));
    store(gates + 3 * at.plane, at.by_h * squashed * o * (1.0f - o));
    store(at.by_c, by_c * f);
    store(at.by_h_before, Vector{});
  }
};

// r, z = sigmoid; n = tanh(xW + r m), m = hU; h' = (1 - z) n + z h. The planes are r z n m.
struct Gru {
  static constexpr int PLANES = 4, X[] = {0, 1, 2}, U[] = {0, 1, 3};
  static constexpr bool CELL_STATE = false;

  static void forward(const Vector (&a)[3], const ForwardStep& at) {
    const Vector r = sigmoid(a[0]), z = sigmoid(a[1]);
    const Vector n = tanh(load(at.gates + 2 * at.plane) + r * a[2]);
    store(at.h, n + z * (load(at.h_before) - n));
    if (at.keep) {
      store(at.gates, r);
      store(at.gates + at.plane, z);
      store(at.gates + 2 * at.plane, n);
      store(at.gates + 3 * at.plane, a[2]);
    }
  }

  static void backward(const BackwardStep& at) {
    float* gates = at.gates;
    const Vector r = load(gates), z = load(gates + at.plane), n = load(gates + 2 * at.plane),
                 m = load(gates + 3 * at.plane);
    const Vector by_n = at.by_h * (1.0f - z) * (1.0f - n * n);
    store(gates, by_n * m * r * (1.0f - r));
    store(gates + at.plane, at.by_h * (at.h_before - n) * z * (1.0f - z));
    store(gates + 2 * at.plane, by_n);
    store(gates + 3 * at.plane, by_n * r);
    store(at.by_h_before, at.by_h * z);
  }
};

// h' = tanh or relu. A tile is four vectors of units here, not four planes of one.
template <bool relu>
struct Elman {
  static constexpr int PLANES = 1, X[] = {0, 0, 0, 0}, U[] = {0, 0, 0, 0};
  static constexpr bool CELL_STATE = false;

  static void forward(const Vector (&a)[4], const ForwardStep& at) {
    UNROLL for (int n = 0; n < 4; ++n) {
      const Vector zero = {};
      const Vector h = relu ? (a[n] < zero ? zero : a[n]) : tanh(a[n]);
      store(at.h + n * LANES, h);
      if (at.keep) store(at.gates + n * LANES, h);
    }
  }

  static void backward(const BackwardStep& at) {
    const Vector h = load(at.gates), zero = {}, one = zero + 1.0f;
    store(at.gates, at.by_h * (relu ? (h > zero ? one : zero) : one - h * h));
    store(at.by_h_before, zero);
  }
};

}  // namespace zoo
