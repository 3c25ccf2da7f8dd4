"""Recurrent encoder-decoder models of OpenNMT-py."""

import os
from collections.abc import Sequence

import numpy as np

from zoo.cells import Cell
from zoo.interop.published.damage import naming
from zoo.interop.published.language_model import copy_cells, set_array
from zoo.interop.published.opennmt_checkpoint import Checkpoint, read_opennmt
from zoo.interop.published.vocabulary import text_of
from zoo.interop.published.weights import Weights
from zoo.layers import Bidirectional
from zoo.models import Seq2Seq
from zoo.pipelines import Seq2SeqPipeline
from zoo.text import BEGIN, END, PAD, UNK, Text

_RESERVED = {"<blank>": PAD, "<unk>": UNK, "<s>": BEGIN, "</s>": END}
_EMBEDDING = "embeddings.make_embedding.emb_luts.0.weight"
_INPUT_FEEDING = "decoder.rnn.layers."


def opennmt(path: str | os.PathLike, *, max_length: int = 100) -> Seq2SeqPipeline:
    """Load a recurrent encoder-decoder model of OpenNMT-py.

    ::

        model = zoo.interop.published.opennmt("model_step_100000.pt")
        model.predict(["▁a ▁sent ence"], beam=5)[0].outputs[0].text
        zoo.save("runs/translation", model)

    Texts are split at white space, as OpenNMT-py does after its own tokenisation. The
    checkpoints of versions 0.2 to 3.5 are read. The following is converted:

    ======================= ==================================================
    option of OpenNMT-py    values
    ======================= ==================================================
    ``encoder_type``        ``rnn``, ``brnn``
    ``rnn_type``            ``LSTM``, ``GRU``
    ``global_attention``    ``general``, ``dot``; ``none`` without input feeding
    ``input_feed``          0, 1
    ======================= ==================================================

    Args:
        path: of the checkpoint, ``*_step_*.pt``.
        max_length: largest number of generated tokens, as ``translate.py`` has it.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, or an option has no equivalent, which the
            message names: ``bridge`` (ReLU of the states of all layers),
            ``global_attention="mlp"`` (no tanh after it), ``copy_attn``,
            ``coverage_attn``, ``context_gate``, ``sparsemax``, features of words,
            and other encoders and decoders than recurrent ones.

    Source: Klein et al. 2017, "OpenNMT", ACL; Luong et al. 2015, arXiv:1508.04025;
    OpenNMT/OpenNMT-py.
    """
    with naming(path):
        return _pipeline(path, max_length)


def _pipeline(path: str | os.PathLike, max_length: int) -> Seq2SeqPipeline:
    """Return the model of a file with its vocabularies."""
    checkpoint = read_opennmt(path)
    weights = Weights(checkpoint.arrays, path)
    source_table = weights.take(f"encoder.{_EMBEDDING}", 2)
    target_table = weights.take(f"decoder.{_EMBEDDING}", 2)
    if source_table.shape[1] != target_table.shape[1]:
        raise ValueError(
            f"{path}: src_word_vec_size and tgt_word_vec_size must be equal, got "
            f"{source_table.shape[1]} and {target_table.shape[1]}"
        )
    below = weights.take_cells("encoder.rnn.")
    above = _decoder_cells(weights)
    decoder_size = above[0].hidden_size
    W, b = weights.take_linear("generator.")
    texts: list[Text] = []
    orders: list[np.ndarray] = []
    for side, table in (("src", source_table), ("tgt", target_table)):
        tokens = checkpoint.tokens[side]
        if len(tokens) != len(table):
            raise ValueError(
                f"{path}: the vocabulary {side!r} has {len(tokens)} tokens, and the "
                f"embedding {len(table)} rows"
            )
        text, order = text_of(path, tokens, _RESERVED, "words")
        texts.append(text)
        orders.append(order)
    (source, target), (source_order, target_order) = texts, orders
    options = {
        "source_vocab_size": len(source_table),
        "target_vocab_size": len(target_table),
        "embedding_dim": source_table.shape[1],
        "cell": below[0][0].name,
        "hidden_size": below[0][0].hidden_size,
        "num_layers": len(below),
        "bidirectional": len(below[0]) == 2,
        "decoder_hidden_size": decoder_size,
        "attention": _attention(checkpoint),
        "input_feeding": checkpoint.input_feeding,
        "bridge": "copy",
        "tied": bool(np.array_equal(W.T, target_table)),
        "dropout": checkpoint.dropout,
        "bias": below[0][0].b is not None,
    }
    _check_sizes(path, below, above)
    pipeline = Seq2SeqPipeline(options, source, target, max_length)
    model = pipeline.model
    assert isinstance(model, Seq2Seq)
    set_array(model.embedding.table, source_table[source_order])
    for layer, pair in zip(model.encoder.layers, below, strict=True):
        both = isinstance(layer, Bidirectional)
        copy_cells([layer.forward, layer.backward] if both else [layer], pair)
    decoder = model.decoder
    set_array(decoder.embedding.table, target_table[target_order])
    copy_cells(decoder.layers.layers, above)
    if decoder.attention is not None and decoder.join is not None:
        if decoder.attention.kind == "general":
            linear, _ = weights.take_linear("decoder.attn.linear_in.", bias=False)
            set_array(decoder.attention.W, linear)
        linear, _ = weights.take_linear("decoder.attn.linear_out.", bias=False)
        set_array(decoder.join.W, linear)
    if decoder.output.W is not None:
        set_array(decoder.output.W, W[:, target_order])
    set_array(decoder.output.b, b[target_order])
    weights.check_all_taken("a converted model of OpenNMT-py")
    pipeline.bind()
    return pipeline


def _attention(checkpoint: Checkpoint) -> str | None:
    """Return the kind of attention."""
    if "decoder.attn.linear_out.weight" not in checkpoint.arrays:
        return None
    general = "decoder.attn.linear_in.weight" in checkpoint.arrays
    return "general" if general else "dot"


def _decoder_cells(weights: Weights) -> list[Cell]:
    """Return the cells of the decoder, which are modules of their own if it is fed."""
    if not any(name.startswith(_INPUT_FEEDING) for name in weights.names):
        return [cell for (cell,) in weights.take_cells("decoder.rnn.")]
    cells: list[Cell] = []
    while any(n.startswith(f"{_INPUT_FEEDING}{len(cells)}.") for n in weights.names):
        cells += weights.take_cells(f"{_INPUT_FEEDING}{len(cells)}.")[0]
    return cells


def _check_sizes(
    path: str | os.PathLike, below: Sequence[tuple[Cell, ...]], above: Sequence[Cell]
) -> None:
    """Check that the states of the encoder fit the decoder."""
    sizes = [sum(cell.hidden_size for cell in pair) for pair in below]
    if [(type(pair[0]), size) for pair, size in zip(below, sizes, strict=True)] != [
        (type(cell), cell.hidden_size) for cell in above
    ]:
        raise ValueError(
            f"{path}: encoder and decoder must have the same layers, got sizes {sizes} "
            f"and {[cell.hidden_size for cell in above]}"
        )
