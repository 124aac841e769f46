"""What can a model do at a moment of its training, and when did it learn it? A film to scrub."""

import base64
import gzip
import html
import json
from pathlib import Path

from llm.films import FORMAT, Film, load_film, shipped_films
from llm.views.film_past import NAME, PastModels, past_models
from llm.views.view import View, strings

SCORES = ("previous", "induction", "answer")  # of each head, in every moment


class TrainingFilmView(View):
    """Films of training: loss and floor, kinds of word, a sample, attention, embeddings.

    ``films`` are a :class:`llm.Film`, what its ``to_dict`` gives, or names and paths for
    :func:`llm.films.load_film`; without any, all that come with the book. With the storyteller's
    the reader can let six ``past_models`` read a text: by default on the site, in a notebook only
    if asked, since they add 5 MB to its output. Raises ``ValueError`` for something else, for a
    film without moments and for two films of one name.

    >>> TrainingFilmView("storyteller")
    TrainingFilmView(storyteller: 30 moments to step 8000)
    """

    name = "film"

    def __init__(
        self,
        *films: Film | dict | str | Path,
        past_models: bool | None = None,
        anchor: str | None = None,
    ):
        super().__init__(anchor)
        self.past_models = past_models
        self.films = [_film(film) for film in films or shipped_films()]
        names = [film["name"] for film in self.films]
        if not names:
            raise ValueError("no film to show: make them with `make weights`, or pass a llm.Film")
        if len({_file(film) for film in self.films}) < len(names):
            raise ValueError(f"two films have one name: {', '.join(names)}; give each its own")

    def __repr__(self) -> str:
        films = (
            f"{film['name']}: {len(film['moments'])} moments to step {film['moments'][-1]['step']}"
            for film in self.films
        )
        return f"TrainingFilmView({'; '.join(films)})"

    def payload(self, inline: bool = True) -> dict:
        """For each film its name and what is shown of it first; what there is of past models."""
        films = [{"name": f["name"], "file": _file(f), "state": _state(f)} for f in self.films]
        past = self._past(inline)
        if isinstance(past, PastModels):
            return {"films": films, "past": past.spec(inline)}
        return {"films": films, "past": None if past is None else {"reason": past}}

    def shared(self, inline: bool = True) -> dict[str, str]:
        """The films and the past models, packed."""
        past = self._past(inline)
        models = past.files(inline) if isinstance(past, PastModels) else {}
        return {_file(film): _packed(film) for film in self.films} | models

    def _past(self, inline: bool) -> PastModels | str | None:
        """The past models, or why not ("" if not asked for); None without the storyteller."""
        if NAME not in [film["name"] for film in self.films]:
            return None
        if not (self.past_models or (self.past_models is None and not inline)):
            return ""
        try:
            return past_models()
        except ValueError as error:
            return str(error)

    def describe(self) -> str:
        """A line for each moment of the first film."""
        rows = self._rows(self.films[0])
        lines = [f"{r[0]:>6}  {r[1]:6.3f}  {r[3]:>5}  {r[4][:60]}" for r in rows]
        return "\n".join([repr(self), *lines])

    def fallback(self) -> str:
        """The same as a table."""
        words = strings(self.name)
        titles = ("table_step", "table_loss", "floor", "table_owner", "table_sample")
        head = "".join(f'<th scope="col">{html.escape(words[t])}</th>' for t in titles)
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in row) + "</tr>"
            for row in self._rows(self.films[0])
        )
        return (
            f'<p class="llm-question">{words["question"]}</p><table>'
            f"<caption>{html.escape(self.films[0]['name'])}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )

    def figure(self):
        """When each kind of word was learned."""
        from llm.plots import stairs

        return stairs(self.films[0])

    def _rows(self, film: dict) -> list[tuple]:
        return [
            (m["step"], m["loss"], m["floor"], f"{m['owner']:.0%}", m["sample"])
            for m in film["moments"]
        ]


def _film(source) -> dict:
    if isinstance(source, Film):
        source = source.to_dict()
    if isinstance(source, str | Path):
        source = load_film(source)
    if not isinstance(source, dict) or source.get("format") != FORMAT or not source.get("moments"):
        raise ValueError(
            f"a film must be a llm.Film, its to_dict(), a name or a path, got {source!r:.80}"
        )
    missing = [score for score in SCORES if score not in source["moments"][0]]
    if missing:
        raise ValueError(
            f"film {source['name']!r} has no {', '.join(missing)} of its heads: record it again"
        )
    return source


def _state(film: dict) -> dict:
    """The first moment, with the head that in the end looks most at the answers.

    The row is that of the closing question's mark, which is followed by the owner.
    """
    last = film["moments"][-1]
    heads = [(layer, head) for layer in range(film["n_layers"]) for head in range(film["n_heads"])]
    layer, head = max(heads, key=lambda at: last["answer"][at[0]][at[1]])
    row = len(film["tokens"]) - 4
    weights = last["attention"][layer][head][row * (row + 1) // 2 :][: row + 1]
    place = {"layer": layer, "head": head, "row": row, "column": weights.index(max(weights))}
    return {
        "film": film["name"],
        "step": film["moments"][0]["step"],
        "group": film["words"][0][0],
    } | place


def _file(film: dict) -> str:
    """The name of the shared file of a film: letters, digits and hyphens."""
    return "film-" + "".join(c if c.isascii() and c.isalnum() else "-" for c in film["name"])


def _packed(film: dict) -> str:
    finite = json.loads(json.dumps(film), parse_constant=lambda _: None)  # JSON knows no NaN
    text = json.dumps(finite, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
