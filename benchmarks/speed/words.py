"""What the page says beside its figures."""

HEAD = """\
# Speed

Recurrent layers of this library and of others, side by side. After
`pip install -e ".[parity]" ./native`, `python -m benchmarks.speed` fills `speed.csv`,
and `python -m benchmarks.speed --page` writes this page from it.

How it is measured:

- Each library runs in a process of its own, with as many threads as there are cores.
  The processes have their turns one after the other, so that never two compute at once;
  what one used of a core while it waited stands in `idle`.
- All are given the same weights and inputs. Outputs and gradients (by the inputs and by
  every weight) are compared with ours first, to 1e-4 of the largest entry; what differs
  is not timed.
- A turn repeats the work for 0.1 s or more, after one repetition that does not count.
  Every library has at least 7 turns; the median is shown.
- A ratio is the time of a library by that of ours in the same round, the median over
  the rounds: **above 1 ours is faster**.
- The training step is the gradient of the mean square of the outputs by inputs and
  weights; forward is without gradients. No optimiser, no dropout.
- Ragged rows have lengths from T/4 to T, drawn uniformly. Ours reads a mask, `torch
  packed` packs and pads again, Flax is given `seq_lengths`, Keras a mask, and the loss
  is over real tokens. Libraries with a `*` have nothing of the kind, or are not told:
  they run over the padding.
- Haiku's GRU resets before the product and its simple network has a ReLU: it is
  compared with our layers of that form. Equinox has no simple cell. The GRU of nnx has
  one bias less. `reset_before_gru` is in Keras `GRU(reset_after=False)`. Of the others
  only Flax (linen) has an MGU, which resets after the product (`reset_after_mgu`).
  An LSTM of convolutions is in Flax (linen) `ConvLSTMCell`, in Keras `ConvLSTM2D`.
- Cells that are linear in their state are ours alone. They are compared with the loop
  that takes one step after the other.
- JAX libraries are called under one `jax.jit`, as a user would; PyTorch without
  `torch.compile`.
- In bfloat16 (`--dtype bfloat16`) the inputs are bfloat16 everywhere. The parameters
  stay float32 in ours, in Flax and in Keras; PyTorch's and Equinox's are cast. Haiku is
  left out. What is computed is compared to 5e-2.
- Ours calls the kernels of `native/` (rnn-zoo-native), which on a CPU also let glibc
  keep freed memory; `zoo scan` is the same layer without them, by `jax.lax.scan`.

On a GPU (`python -m benchmarks.speed --device gpu`) there are these differences:

- Inputs and weights are there before the clock starts, and a call ends when the GPU has
  finished; the time to launch it counts.
- float32 is compared to 5e-3, for a GPU multiplies it as TF32 where a library does not
  ask for more, and none is made to.
- A turn lasts as long as `--seconds` says, here 0.02 or 0.03 s, and the peers are those
  that `--peers` names. All programs are compiled before, at once, and read from a
  cache: there are no seconds of a first call. XLA chooses some kernels by timing them
  while it compiles, then on a GPU that all processes share.
- `jax cudnn` is `jax.experimental.rnn`: cuDNN in one call, of float32 alone. That our
  LSTM does not call it has its reason in these rows.
- Every call is waited for, which a training loop does not do. How much of a short call
  that is differs between machines with the same GPU: `python -m benchmarks.speed.trace`
  tells both times of a call, and of which kernels it is made.
- Not measured on a GPU yet: the time of `remat` by kernels, and cells whose state is a
  matrix.
"""
PROGRAMS = """\
## Whole programs

`python -m benchmarks.speed.programs` trains the tagger and the character model of
`train.py`, and the same models in plain PyTorch: packed rows, characters of real words
only, fused Adam, clipping. Both begin with the same weights (the loss of a batch is
compared), read the same batches, made as they go, and have their turns of some seconds.
In evaluation both also tell what is predicted, and of characters how sure it is.
With `--dtype bfloat16` our layers multiply that, PyTorch what its autocast chooses.
The median of the rates; in brackets the ratio of the times, above 1 ours is faster. The
first batch compiles here, and so does each new shape: "all shapes" is one batch of each
in training and evaluation.
"""
MEANS = (
    "Geometric means of the ratios over cells and shapes, and in how many cases ours "
    "is slower."
)
GRID = (
    "Ratio to ours, and milliseconds; in bold the fastest of the others that do the "
    "same work."
)
AT_ONCE = (
    'Ratio and milliseconds; "step by step" is the same layer with `steps="loop"`.'
)
STEPS = (
    "A step alone, once compiled: MB that a process held at most in a training step "
    "beyond what it held before it, the median of three. Before each, a first one that "
    "compiles is done, freed memory is given back to the system by `malloc_trim` (for "
    "which all processes here have `MALLOC_ARENA_MAX=1`), and Linux counts the peak "
    "anew. What glibc keeps over many steps is not counted."
)
PROCESS = (
    "The whole process: MB that a new one held at most up to the end of its training "
    "steps, the first of which compiles; in brackets what is more than before them, "
    "with the library imported and the arrays made."
)
TRIED = """\
## What was tried

On a CPU, before there were kernels, by XLA alone: inputs projected ahead of the loop,
one tanh for all gates, unrolled steps, barriers against copies, flags of XLA's
compiler: nothing that could be measured. Both directions in one loop, a batch in
several loops at the same time, and matrices turned once for the backward pass gained a
little each. So did gradients in the place of what they are of, but XLA then copied all
steps at every step of some cells, and they went. The rest was the products themselves,
small ones, each of which reads its matrix anew: hence the kernels.

In the kernels: approximate reciprocals in place of divisions, one division for several
gates, rows at other distances in memory, and matrices fetched ahead of their use:
nothing either. A single row is bound by reading the matrix: the threads share its
columns, and wait for each other at every step. Columns read there and back, so that the
last are still near, and a thread for each direction of a layer, which then reads twice
as much, took as long. XLA has one call of a kernel after the other return, also where
neither needs the other and both say that they go on. The times of a single row scatter:
on two cores a third thread, one of XLA's that looks for work, now and then takes the
place of one of the two that wait for each other. Since these soon give way to others it
costs less.

Evaluating the character model is nearly all products of its two layers, 1.7 MFLOP a
character: at the rates above nearly 400 GFLOP/s. Between two tiles of a product, where
the gates are, a core does less than it could. What else is left to save is the product
with the embedded characters, a thirteenth, which could be one with the table instead.

Many calls of a kernel on two cores took some milliseconds longer than the others of
their kind: Linux had woken the second thread on the core of the first, and left it
there, though the other core had nothing to do. To wait until it has begun did not help,
smaller groups of rows, of which the first thread takes more, took longer: it is moved
now. XLA's own threads have the same trouble, with less at stake.

An LSTM of convolutions: in a loop on a CPU, XLA leaves every convolution but that of
the forward pass to its slow code (jax-ml/jax issue 12868). The gradients are sums of
products of matrices here, one for each entry of a filter.

Cells that are linear in their state, on a CPU: a tree of depth log T was slower than a
loop that does nothing but the recurrence, with all that does not depend on the state
made ahead of it for all steps at once. Where no cache holds that, a loop that does all
of a step is faster without a gradient, and runs then, but for a single row, for which
it would read every matrix anew at every step. A state of S6 is 16 times as large as its
output: it stays in that loop. Matrices as states are taken in chunks, by products.

In bfloat16 the gates, the states and all that is rounded on the way take as long as in
float32, so that small layers gain less. Rounding by instructions of its own, rather
than by arithmetic, was no faster.

`remat="step"` keeps no gates; by the loop it saves little at these sizes, by a kernel
what the memory of a step alone tells. That of a whole process is mostly the library's
and the compiler's.

On a GPU: cuDNN in place of our loop, slower in every case (`jax cudnn`). By the loop,
two launches a step, a GRU of one layer took more than half of Keras' time; hence
kernels, of one launch for all steps. In them, what multiprocessors tell each other can
be sent by each thread, 16 bytes at a time, or by the engine that copies: the former
took a little less time forward, the latter less backward, and it is what they do. With
512 units 16 multiprocessors hold the matrix, and four such clusters run the 64 rows, on
less than half of the chip. Reading what they multiply from shared memory took most of a
step; as float16, which has as many bits as TF32, it is half as much. Twice as many
units in half as many multiprocessors, and 8 rows a cluster in place of 16, took longer,
and two sums in turn, which do not wait for each other, as long.

Linear recurrences as a tree pass over memory again and again; hence a kernel, which
passes once. The rest is products with the inputs, and passes over what they make, near
to what the memory allows. The LRU has the most of these: its state is complex, and C a
matrix of its own. With complex numbers as such, XLA took them apart and put them
together again before and after; turning time before rows and back was another two
passes. A gradient that enters two products XLA computed anew for each, in a pass of its
own: it is computed once now, ahead of both. The kernel with half as many warps, of
twice as many steps each, needs fewer instructions, and is faster with few sequences
only: with many it waits for memory. Two units a thread were the other way about.

An LSTM of convolutions, forward: most of the time goes into starting cuDNN, once a
step. Patches and a product in its place, which XLA starts together with the rest, were
faster in training, but not in every case forward.
"""
