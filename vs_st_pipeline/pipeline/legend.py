"""Says once, under a list, what each word in it means; a sentence per line of the list would hide the list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

HEAD = "  what these words mean:"


def legend(words: Iterable[str | None], meanings: Mapping[str, str]) -> list[str]:
    """Return a line for each of these words that has a meaning, under a head; nothing where none has.

    Args:
        words: as the list has them, in its order, as often as they stand there.
    """
    said = {word: meanings[word] for word in words if word and meanings.get(word)}
    width = max(map(len, said), default=0)
    return [HEAD, *(f"    {word:{width}}  {means}" for word, means in said.items())] if said else []
