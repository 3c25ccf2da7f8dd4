// The cells: what is done to one vector of units of one row, without products.
//
// A token has PLANES numbers for each unit. The forward pass first holds there what the
// products made, then the gates; the backward pass puts the gradients of what the products
// made in their place. X is the product with the inputs, to the first planes. A step goes through
// stages, each of which is a product with something and then what is done to what came of it.
#pragma once

#include <algorithm>

#include "vector.h"

namespace zoo {

// A product with some blocks of H columns of a matrix, from block FIRST on. The blocks go to
// the planes AT, which stand side by side from LEAST on, in any order. A tile is at most
// VECTORS vectors of units of each of them.
template <int First, int Vectors, int... Planes>
struct Product {
  static constexpr int FIRST = First, VECTORS = Vectors, COUNT = sizeof...(Planes);
  static constexpr int AT[] = {Planes...}, LEAST = std::min({Planes...});
};

// What a stage multiplies: the state h, or else a plane.
constexpr int STATE = -1;

template <class... Stage>
struct Stages {
  // body<Stage>() of the first stage, then of the next.
  template <class Body>
  static void forward(const Body& body) {
    (body.template operator()<Stage>(), ...);
  }

  // The last stage first.
  template <class Body>
  static void backward(const Body& body) {
    from_the_last<Body, Stage...>(body);
  }

 private:
  template <class Body, class First, class... Rest>
  static void from_the_last(const Body& body) {
    if constexpr (sizeof...(Rest) > 0) from_the_last<Body, Rest...>(body);
    body.template operator()<First>();
  }
};

// One vector of units in one row; `plane` is the distance between planes.
struct ForwardStep {
  const float* h_before;
  float* h;      // after
  float* c;      // before, and after
  float* gates;  // of which some cells read planes; all are written if `keep`
  long plane;
  bool keep;
};

struct BackwardStep {
  float* gates;
  long plane;
  Vector h_before, c_before, c;
  Vector by_h;         // the gradient of the loss by the state after the step: last stage
  float* by_c;         // the same, and the gradient by the state before the step; where there is
                       // no c, a place from one stage to the next
  float* by_h_before;  // without what comes through the products
  float* by_source;    // of a stage that multiplies a plane: the gradient by that plane
};

// i, f, o = sigmoid; g = tanh; c' = f c + i g; h' = o tanh(c')
struct Lstm {
  static constexpr int PLANES = 4;
  static constexpr bool CELL_STATE = true;
  using X = Product<0, 1, 0, 1, 2, 3>;

  struct Step : X {
    static constexpr int SOURCE = STATE;

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

  using Steps = Stages<Step>;
};

// r, z = sigmoid; n = tanh(xW + r m), m = hU; h' = (1 - z) n + z h. The planes are n r z m.
struct Gru {
  static constexpr int PLANES = 4;
  static constexpr bool CELL_STATE = false;
  using X = Product<0, 1, 1, 2, 0>;

  struct Step : Product<0, 1, 1, 2, 3> {
    static constexpr int SOURCE = STATE;

    static void forward(const Vector (&a)[3], const ForwardStep& at) {
      const Vector r = sigmoid(a[0]), z = sigmoid(a[1]);
      const Vector n = tanh(load(at.gates) + r * a[2]);
      store(at.h, n + z * (load(at.h_before) - n));
      if (at.keep) {
        store(at.gates, n);
        store(at.gates + at.plane, r);
        store(at.gates + 2 * at.plane, z);
        store(at.gates + 3 * at.plane, a[2]);
      }
    }

    static void backward(const BackwardStep& at) {
      float* gates = at.gates;
      const Vector n = load(gates), r = load(gates + at.plane), z = load(gates + 2 * at.plane),
                   m = load(gates + 3 * at.plane);
      const Vector by_n = at.by_h * (1.0f - z) * (1.0f - n * n);
      store(gates, by_n);
      store(gates + at.plane, by_n * m * r * (1.0f - r));
      store(gates + 2 * at.plane, at.by_h * (at.h_before - n) * z * (1.0f - z));
      store(gates + 3 * at.plane, by_n * r);
      store(at.by_h_before, at.by_h * z);
    }
  };

  using Steps = Stages<Step>;
};

// r, z = sigmoid; s = r h; n = tanh(xW + sU); h' = (1 - z) n + z h. The planes are r z n s.
struct ResetBeforeGru {
  static constexpr int PLANES = 4;
  static constexpr bool CELL_STATE = false;
  using X = Product<0, 1, 0, 1, 2>;

  struct Gates : Product<0, 2, 0, 1> {
    static constexpr int SOURCE = STATE;

    static void forward(const Vector (&a)[2], const ForwardStep& at) {
      const Vector r = sigmoid(a[0]);
      store(at.gates + at.plane, sigmoid(a[1]));
      store(at.gates + 3 * at.plane, r * load(at.h_before));
      if (at.keep) store(at.gates, r);
    }

    static void backward(const BackwardStep& at) {
      const Vector r = load(at.gates), by_s = load(at.by_source);
      store(at.gates, by_s * at.h_before * r * (1.0f - r));
      store(at.by_h_before, load(at.by_h_before) + by_s * r);
    }
  };

  struct Candidate : Product<2, 4, 2> {
    static constexpr int SOURCE = 3;

    static void forward(const Vector (&a)[1], const ForwardStep& at) {
      const Vector n = tanh(a[0]), z = load(at.gates + at.plane);
      store(at.h, n + z * (load(at.h_before) - n));
      if (at.keep) store(at.gates + 2 * at.plane, n);
    }

    static void backward(const BackwardStep& at) {
      const Vector z = load(at.gates + at.plane), n = load(at.gates + 2 * at.plane);
      store(at.gates + at.plane, at.by_h * (at.h_before - n) * z * (1.0f - z));
      store(at.gates + 2 * at.plane, at.by_h * (1.0f - z) * (1.0f - n * n));
      store(at.by_h_before, at.by_h * z);
      store(at.by_source, Vector{});
    }
  };

  using Steps = Stages<Gates, Candidate>;
};

// f = sigmoid; s = f h; n = tanh(xW + sU); h' = (1 - f) h + f n. The planes are f n s.
struct Mgu {
  static constexpr int PLANES = 3;
  static constexpr bool CELL_STATE = false;
  using X = Product<0, 2, 0, 1>;

  struct Gate : Product<0, 4, 0> {
    static constexpr int SOURCE = STATE;

    static void forward(const Vector (&a)[1], const ForwardStep& at) {
      const Vector f = sigmoid(a[0]);
      store(at.gates, f);
      store(at.gates + 2 * at.plane, f * load(at.h_before));
    }

    static void backward(const BackwardStep& at) {
      const Vector f = load(at.gates), by_s = load(at.by_source);
      const Vector by_f = load(at.by_c) + by_s * at.h_before;
      store(at.gates, by_f * f * (1.0f - f));
      store(at.by_h_before, load(at.by_h_before) + by_s * f);
    }
  };

  struct Candidate : Product<1, 4, 1> {
    static constexpr int SOURCE = 2;

    static void forward(const Vector (&a)[1], const ForwardStep& at) {
      const Vector n = tanh(a[0]), h = load(at.h_before);
      store(at.h, h + load(at.gates) * (n - h));
      if (at.keep) store(at.gates + at.plane, n);
    }

    static void backward(const BackwardStep& at) {
      const Vector f = load(at.gates), n = load(at.gates + at.plane);
      store(at.gates + at.plane, at.by_h * f * (1.0f - n * n));
      store(at.by_c, at.by_h * (n - at.h_before));  // by f, which is needed a stage later itself
      store(at.by_h_before, at.by_h * (1.0f - f));
      store(at.by_source, Vector{});
    }
  };

  using Steps = Stages<Gate, Candidate>;
};

// f = sigmoid; n = tanh(xW + f m), m = hU; h' = (1 - f) n + f h. The planes are n f m.
struct ResetAfterMgu {
  static constexpr int PLANES = 3;
  static constexpr bool CELL_STATE = false;
  using X = Product<0, 2, 1, 0>;

  struct Step : Product<0, 2, 1, 2> {
    static constexpr int SOURCE = STATE;

    static void forward(const Vector (&a)[2], const ForwardStep& at) {
      const Vector f = sigmoid(a[0]), n = tanh(load(at.gates) + f * a[1]);
      store(at.h, n + f * (load(at.h_before) - n));
      if (at.keep) {
        store(at.gates, n);
        store(at.gates + at.plane, f);
        store(at.gates + 2 * at.plane, a[1]);
      }
    }

    static void backward(const BackwardStep& at) {
      float* gates = at.gates;
      const Vector n = load(gates), f = load(gates + at.plane), m = load(gates + 2 * at.plane);
      const Vector by_n = at.by_h * (1.0f - f) * (1.0f - n * n);
      const Vector by_f = at.by_h * (at.h_before - n) + by_n * m;
      store(gates, by_n);
      store(gates + at.plane, by_f * f * (1.0f - f));
      store(gates + 2 * at.plane, by_n * f);
      store(at.by_h_before, at.by_h * f);
    }
  };

  using Steps = Stages<Step>;
};

// h' = tanh or relu.
template <bool relu>
struct Elman {
  static constexpr int PLANES = 1;
  static constexpr bool CELL_STATE = false;
  using X = Product<0, 4, 0>;

  struct Step : X {
    static constexpr int SOURCE = STATE;

    static void forward(const Vector (&a)[1], const ForwardStep& at) {
      const Vector zero = {};
      const Vector h = relu ? (a[0] < zero ? zero : a[0]) : tanh(a[0]);
      store(at.h, h);
      if (at.keep) store(at.gates, h);
    }

    static void backward(const BackwardStep& at) {
      const Vector h = load(at.gates), zero = {}, one = zero + 1.0f;
      store(at.gates, at.by_h * (relu ? (h > zero ? one : zero) : one - h * h));
      store(at.by_h_before, zero);
    }
  };

  using Steps = Stages<Step>;
};

}  // namespace zoo
