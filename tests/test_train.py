"""The command line: small runs from start to finish, and from the middle."""

import pytest

from llm.checkpoint import load_weights
from llm.config import ModelConfig
from llm.model import Transformer
from llm.runs import checkpoints
from llm.tokenization import BPETokenizer, CharTokenizer
from llm.train import PRESETS, STYLES, main, parse

TINY = "--d-model 16 --layers 1 --heads 2 --batch-size 4 --warmup 1 --save-every 2".split()


def test_stories_from_start_to_finish(tmp_path, capsys):
    out = tmp_path / "run"
    main([*TINY, "--stories", "60", "--steps", "3", "--style", "llama", "--out", str(out)])
    tokenizer = BPETokenizer.load(out / "tokenizer.json")
    assert tokenizer.decode_bytes(tokenizer.encode(" kite")[:1]) in (b" kite", b" k", b" ki")
    sizes = {"d_model": 16, "n_layers": 1, "n_heads": 2, "max_seq_len": 128}
    config = ModelConfig(**STYLES["llama"] | sizes | {"vocab_size": len(tokenizer.vocab)})
    load_weights(out / "weights.safetensors", Transformer(config))
    assert (out / "history.csv").read_text().startswith("step,loss")
    assert "parameters" in capsys.readouterr().out


def test_a_file_by_characters_goes_on_where_it_stopped(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("the cat sat on the mat. " * 200)
    arguments = [*TINY, "--corpus", str(text), "--tokenizer", "characters", "--context", "16"]
    arguments += ["--steps", "4", "--schedule", "constant", "--out", str(tmp_path / "run")]
    main(arguments)
    assert [int(path.stem[5:]) for path in checkpoints(tmp_path / "run")] == [2, 4]
    main(arguments)  # finished: nothing left to do, nothing lost
    tokenizer = CharTokenizer.load(tmp_path / "run/tokenizer.json")
    assert tokenizer.decode(tokenizer.encode("cat")) == "cat"


def test_help_explains_every_option(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert "Ctrl-C" in shown and "--corpus" in shown and "highest learning rate" in shown


def test_stories_that_do_not_fit_the_context_are_refused(tmp_path):
    with pytest.raises(ValueError, match="set --context to at least"):
        main([*TINY, "--stories", "20", "--context", "20", "--out", str(tmp_path)])


def test_a_preset_gives_way_to_what_is_said():
    plays = parse(["--preset", "plays", "--lr", "0.5"])
    assert (plays.corpus, plays.context, plays.lr, plays.layers) == ("tinyshakespeare", 64, 0.5, 4)
    assert parse([]).corpus == "stories" and parse(["--preset", "stories"]).heads == 12
    for name in PRESETS:
        options = parse(["--preset", name])
        assert options.d_model % options.heads == 0 and set(PRESETS[name]) <= set(vars(options))
