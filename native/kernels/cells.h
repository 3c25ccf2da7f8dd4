// The cells: their elementwise operations, for one vector of units of one row.
//
// The numbering of the planes is internal to the CPU kernels: it puts the planes of a product next
// to each other. The biases come in the order of zoo_native/kernels.json.
#pragma once

#include "stages.h"
#include "vector.h"

namespace zoo {

// i, f, o = sigmoid; g = tanh; c' = f c + i g; h' = o tanh(c')
struct Lstm {
  static constexpr int PLANES = 4;
  static constexpr bool CELL_STATE = true;
  using InputProduct = Product<0, 1, 0, 1, 2, 3>;

  struct Step : InputProduct {
    static constexpr int SOURCE = STATE;

    static void forward(const Vector (&a)[4], const ForwardStep& step) {
      const Vector i = sigmoid(a[0]), f = sigmoid(a[1]), g = tanh(a[2]), o = sigmoid(a[3]);
      const Vector c = f * load(step.c) + i * g;
      store(step.c, c);
      store(step.h, o * tanh(c));
      if (step.keep) {
        store(step.plane(0), i);
        store(step.plane(1), f);
        store(step.plane(2), g);
        store(step.plane(3), o);
      }
    }

    static void backward(const BackwardStep& step) {
      const Vector i = load(step.plane(0)), f = load(step.plane(1)), g = load(step.plane(2)),
                   o = load(step.plane(3));
      const Vector tanh_c = tanh(step.c);
      const Vector d_c = load(step.d_c) + step.d_h * o * (1.0f - tanh_c * tanh_c);
      store(step.plane(0), d_c * g * i * (1.0f - i));
      store(step.plane(1), d_c * step.c_before * f * (1.0f - f));
      store(step.plane(2), d_c * i * (1.0f - g * g));
      store(step.plane(3), step.d_h * tanh_c * o * (1.0f - o));
      store(step.d_c, d_c * f);
      store(step.d_h_before, Vector{});
    }
  };

  using AllStages = Stages<Step>;
};

// r, z = sigmoid; n = tanh(xW + r m), m = hU; h' = (1 - z) n + z h. The planes are n r z m.
struct Gru {
  static constexpr int PLANES = 4;
  static constexpr bool CELL_STATE = false;
  using InputProduct = Product<0, 1, 1, 2, 0>;

  struct Step : Product<0, 1, 1, 2, 3> {
    static constexpr int SOURCE = STATE;

    static void forward(const Vector (&a)[3], const ForwardStep& step) {
      const Vector r = sigmoid(a[0]), z = sigmoid(a[1]);
      const Vector n = tanh(load(step.plane(0)) + r * a[2]);
      store(step.h, n + z * (load(step.h_before) - n));
      if (step.keep) {
        store(step.plane(0), n);
        store(step.plane(1), r);
        store(step.plane(2), z);
        store(step.plane(3), a[2]);
      }
    }

    static void backward(const BackwardStep& step) {
      const Vector n = load(step.plane(0)), r = load(step.plane(1)), z = load(step.plane(2)),
                   m = load(step.plane(3));
      const Vector d_n = step.d_h * (1.0f - z) * (1.0f - n * n);
      store(step.plane(0), d_n);
      store(step.plane(1), d_n * m * r * (1.0f - r));
      store(step.plane(2), step.d_h * (step.h_before - n) * z * (1.0f - z));
      store(step.plane(3), d_n * r);
      store(step.d_h_before, step.d_h * z);
    }
  };

  using AllStages = Stages<Step>;
};

// r, z = sigmoid; s = r h; n = tanh(xW + sU); h' = (1 - z) n + z h. The planes are r z n s.
struct ResetBeforeGru {
  static constexpr int PLANES = 4;
  static constexpr bool CELL_STATE = false;
  using InputProduct = Product<0, 1, 0, 1, 2>;

  struct Gates : Product<0, 2, 0, 1> {
    static constexpr int SOURCE = STATE;

    static void forward(const Vector (&a)[2], const ForwardStep& step) {
      const Vector r = sigmoid(a[0]);
      store(step.plane(1), sigmoid(a[1]));
      store(step.plane(3), r * load(step.h_before));
      if (step.keep) store(step.plane(0), r);
    }

    static void backward(const BackwardStep& step) {
      const Vector r = load(step.plane(0)), d_s = load(step.d_source);
      store(step.plane(0), d_s * step.h_before * r * (1.0f - r));
      store(step.d_h_before, load(step.d_h_before) + d_s * r);
    }
  };

  struct Candidate : Product<2, 4, 2> {
    static constexpr int SOURCE = 3;

    static void forward(const Vector (&a)[1], const ForwardStep& step) {
      const Vector n = tanh(a[0]), z = load(step.plane(1));
      store(step.h, n + z * (load(step.h_before) - n));
      if (step.keep) store(step.plane(2), n);
    }

    static void backward(const BackwardStep& step) {
      const Vector z = load(step.plane(1)), n = load(step.plane(2));
      store(step.plane(1), step.d_h * (step.h_before - n) * z * (1.0f - z));
      store(step.plane(2), step.d_h * (1.0f - z) * (1.0f - n * n));
      store(step.d_h_before, step.d_h * z);
      store(step.d_source, Vector{});
    }
  };

  using AllStages = Stages<Gates, Candidate>;
};

// f = sigmoid; s = f h; n = tanh(xW + sU); h' = (1 - f) h + f n. The planes are f n s.
struct Mgu {
  static constexpr int PLANES = 3;
  static constexpr bool CELL_STATE = false;
  using InputProduct = Product<0, 2, 0, 1>;

  struct Gate : Product<0, 4, 0> {
    static constexpr int SOURCE = STATE;

    static void forward(const Vector (&a)[1], const ForwardStep& step) {
      const Vector f = sigmoid(a[0]);
      store(step.plane(0), f);
      store(step.plane(2), f * load(step.h_before));
    }

    static void backward(const BackwardStep& step) {
      const Vector f = load(step.plane(0)), d_s = load(step.d_source);
      const Vector d_f = load(step.d_c) + d_s * step.h_before;
      store(step.plane(0), d_f * f * (1.0f - f));
      store(step.d_h_before, load(step.d_h_before) + d_s * f);
    }
  };

  struct Candidate : Product<1, 4, 1> {
    static constexpr int SOURCE = 2;

    static void forward(const Vector (&a)[1], const ForwardStep& step) {
      const Vector n = tanh(a[0]), h = load(step.h_before);
      store(step.h, h + load(step.plane(0)) * (n - h));
      if (step.keep) store(step.plane(1), n);
    }

    static void backward(const BackwardStep& step) {
      const Vector f = load(step.plane(0)), n = load(step.plane(1));
      store(step.plane(1), step.d_h * f * (1.0f - n * n));
      // There is no c: its place passes the gradient of f to the earlier stage, which needs f.
      store(step.d_c, step.d_h * (n - step.h_before));
      store(step.d_h_before, step.d_h * (1.0f - f));
      store(step.d_source, Vector{});
    }
  };

  using AllStages = Stages<Gate, Candidate>;
};

// f = sigmoid; n = tanh(xW + f m), m = hU; h' = (1 - f) n + f h. The planes are n f m.
struct ResetAfterMgu {
  static constexpr int PLANES = 3;
  static constexpr bool CELL_STATE = false;
  using InputProduct = Product<0, 2, 1, 0>;

  struct Step : Product<0, 2, 1, 2> {
    static constexpr int SOURCE = STATE;

    static void forward(const Vector (&a)[2], const ForwardStep& step) {
      const Vector f = sigmoid(a[0]), n = tanh(load(step.plane(0)) + f * a[1]);
      store(step.h, n + f * (load(step.h_before) - n));
      if (step.keep) {
        store(step.plane(0), n);
        store(step.plane(1), f);
        store(step.plane(2), a[1]);
      }
    }

    static void backward(const BackwardStep& step) {
      const Vector n = load(step.plane(0)), f = load(step.plane(1)), m = load(step.plane(2));
      const Vector d_n = step.d_h * (1.0f - f) * (1.0f - n * n);
      const Vector d_f = step.d_h * (step.h_before - n) + d_n * m;
      store(step.plane(0), d_n);
      store(step.plane(1), d_f * f * (1.0f - f));
      store(step.plane(2), d_n * f);
      store(step.d_h_before, step.d_h * f);
    }
  };

  using AllStages = Stages<Step>;
};

// h' = tanh(xW + hU), or ReLU.
template <bool Relu>
struct Elman {
  static constexpr int PLANES = 1;
  static constexpr bool CELL_STATE = false;
  using InputProduct = Product<0, 4, 0>;

  struct Step : InputProduct {
    static constexpr int SOURCE = STATE;

    static void forward(const Vector (&a)[1], const ForwardStep& step) {
      const Vector zero = {};
      const Vector h = Relu ? (a[0] < zero ? zero : a[0]) : tanh(a[0]);
      store(step.h, h);
      if (step.keep) store(step.plane(0), h);
    }

    static void backward(const BackwardStep& step) {
      const Vector h = load(step.plane(0)), zero = {}, one = zero + 1.0f;
      store(step.plane(0), step.d_h * (Relu ? (h > zero ? one : zero) : one - h * h));
      store(step.d_h_before, zero);
    }
  };

  using AllStages = Stages<Step>;
};

}  // namespace zoo
