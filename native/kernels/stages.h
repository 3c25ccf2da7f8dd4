// What a cell is made of: products, stages, and the arguments of a stage.
//
// A token has PLANES numbers for each unit. In the forward pass a plane first holds a result of the
// products, then a gate; in the backward pass the gradient of what the product added. The product
// of the inputs and W comes first. A step consists of one or two stages, each of which is a product
// with U followed by elementwise operations.
#pragma once

#include <algorithm>

#include "vector.h"

namespace zoo {

// A product with COUNT blocks of H columns of a matrix, from block FIRST on. Block FIRST + i goes
// to plane PLANE[i]; these planes are contiguous from LOWEST on, in any order. A tile has at most
// VECTORS vectors of units of each block.
template <int First, int Vectors, int... Planes>
struct Product {
  static constexpr int FIRST = First, VECTORS = Vectors, COUNT = sizeof...(Planes);
  static constexpr int PLANE[] = {Planes...}, LOWEST = std::min({Planes...});

  static_assert(COUNT * VECTORS <= PANEL_VECTORS, "a tile must fit the registers");
  static_assert(std::max({Planes...}) - LOWEST + 1 == COUNT, "the planes must be contiguous");
};

// What a stage multiplies with U: the state h, or the plane of this number.
enum Source : int { STATE = -1 };

template <class... Stage>
struct Stages {
  static constexpr bool MULTIPLIES_PLANE = ((Stage::SOURCE != STATE) || ...);

  // Call body<Stage>() for each stage, the first one first.
  template <class Body>
  static void forward(const Body& body) {
    (body.template operator()<Stage>(), ...);
  }

  // Call body<Stage>() for each stage, the last one first.
  template <class Body>
  static void backward(const Body& body) {
    reversed<Body, Stage...>(body);
  }

 private:
  template <class Body, class First, class... Rest>
  static void reversed(const Body& body) {
    if constexpr (sizeof...(Rest) > 0) reversed<Body, Rest...>(body);
    body.template operator()<First>();
  }
};

// One vector of units of one row.
struct ForwardStep {
  const float* h_before;
  float* h;           // the new state
  float* c;           // the cell state, updated in place
  float* gates;       // the first plane; all planes are written if `keep`
  long plane_stride;  // floats from one plane to the next
  bool keep;          // whether the backward pass reads the planes

  float* plane(long i) const { return gates + i * plane_stride; }
};

struct BackwardStep {
  float* gates;
  long plane_stride;
  Vector h_before, c_before, c;
  Vector d_h;  // the gradient of the new state, for the last stage
  // The gradient of the new c, overwritten by that of c before the step. A cell without c may pass
  // a vector from one stage to the next here.
  float* d_c;
  float* d_h_before;  // the gradient of h before the step, except for what the products add
  float* d_source;    // the gradient of the plane that a later stage multiplies

  float* plane(long i) const { return gates + i * plane_stride; }
};

}  // namespace zoo
