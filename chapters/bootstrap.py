# @title Setup: finds the code of this book, or installs it
def _setup():
    import os
    import subprocess
    import sys
    from importlib import invalidate_caches, metadata, util
    from pathlib import Path

    repository = "https://github.com/inside-an-llm/book"
    release = f"{repository}/archive/refs/tags/v0.1.0.zip"

    class SetupError(RuntimeError):
        def _render_traceback_(self):  # the message is enough
            return [f"✗ {self}"]

    def located():  # what `import llm` finds
        invalidate_caches()
        spec = util.find_spec("llm")
        folders = spec and spec.submodule_search_locations
        return [*folders][0] if folders else spec.origin if spec else ""

    def ours(place):  # reads it, since an import would run it
        init = Path(place, "__init__.py")
        mark = b'__book__ = "Inside an LLM"'
        return place and init.is_file() and mark in init.read_bytes()

    def install(source):
        print(f"Installing the code of this book from {source}")
        keep = [n for n in ("torch", "numpy") if util.find_spec(n)]
        keep = [f"{n}=={metadata.version(n)}" for n in keep]
        pip = [sys.executable, "-m", "pip", "--no-color", "install"]
        pip += ["--retries=1", source, *keep]
        run = subprocess.run(pip, capture_output=True, text=True)
        if run.returncode:
            said = "\n".join(run.stderr.strip().splitlines()[-2:])
            raise SetupError(
                f"That failed.\n{said}\n"
                "Without internet? On Kaggle, switch it on in the "
                "notebook's settings. Elsewhere, get a copy of "
                f"{repository}, run `pip install -e .` in it, and "
                "restart the kernel."
            )

    here = Path.cwd()
    clones = [d for d in (here, *here.parents) if ours(d / "llm")]
    if clones and not ours(located()):
        sys.path.insert(0, str(clones[0]))
    elif not located():
        install(os.environ.get("LLM_BOOK_SOURCE", release))
    found = located()
    if not ours(found):
        way = "rename it, " if found else ""
        if "-packages" in found:
            way = "run `%pip uninstall -y llm`, "
        raise SetupError(
            f"`import llm` finds {found or 'nothing yet'}, not the "
            f"code of this book. To go on: {way}restart the kernel "
            "and run this cell again."
        )


_setup()
