"""The Russian labels of the diagrams, by the English ones."""

LABELS = {
    "A recurrent network, unrolled over time": (
        "Рекуррентная сеть, развёрнутая во времени"
    ),
    "An RNN cell": "Ячейка RNN",
    "An LSTM cell": "Ячейка LSTM",
    "A GRU cell": "Ячейка GRU",
    "A stacked bidirectional LSTM tags a sentence": (
        "Многослойная двунаправленная LSTM размечает предложение"
    ),
    "Classification from the last state and from all states": (
        "Классификация по последнему состоянию и по всем состояниям"
    ),
    "Tagging with a bidirectional layer": "Разметка двунаправленным слоем",
    "Generation": "Генерация текста",
    "An encoder, a decoder, and attention": "Кодировщик, декодировщик и внимание",
    "cell": "ячейка",
    "the same $W$, $U$ and $b$ at every step": (
        "одни и те же $W$, $U$ и $b$ на каждом шаге"
    ),
    "forget $f$": "забывание $f$",
    "input $i$": "вход $i$",
    "candidate $g$": "кандидат $g$",
    "output $o$": "выход $o$",
    "update $z$": "обновление $z$",
    "reset $r$": "сброс $r$",
    "candidate $n$": "кандидат $n$",
    "tokens": "токены",
    "mask": "маска",
    "embedding": "эмбеддинг",
    "layer 1": "слой 1",
    "layer 2": "слой 2",
    "linear layer": "линейный слой",
    "outputs": "выходы",
    "tags": "теги",
    "forward": "вперёд",
    "backward": "назад",
    "padding": "паддинг",
    "In padding the state passes through unchanged and the output is zero.": (
        "На паддинге состояние не меняется, а выход равен нулю."
    ),
    "last state": "последнее состояние",
    "pooling over all states": "пулинг по всем состояниям",
    "pooling: mean, max or attention": "пулинг: среднее, максимум или внимание",
    "label": "метка",
    "a": "это",
    "very": "очень",
    "good": "хороший",
    "film": "фильм",
    "Anna": "Анна",
    "reads": "читает",
    "old": "старые",
    "books": "книги",
    "flew": "улетела",
    "to": "в",
    "Oslo": "Осло",
    "softmax: each tag by itself; CRF: pairs of neighbours too (dashed)": (
        "softmax: каждый тег отдельно; CRF: ещё и пары соседних тегов (пунктир)"
    ),
    "The sampled character is the next input.": (
        "Выбранный символ становится следующим входом."
    ),
    "encoder": "кодировщик",
    "decoder": "декодировщик",
    "final state": "последнее состояние",
    "attention weights": "веса внимания",
    "query": "запрос",
    "context": "контекст",
    "begin": "начало",
    "end": "конец",
    "May": "мая",
}
