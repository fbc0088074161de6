"""How far the estimate of tokens is off, by text and tokenizer. Run from the project's folder:

.venv/bin/python bench/token_estimate.py --tokenizer NAME=tokenizer.json --tokenizer ... TEXT_FILE ...
"""

import argparse
from pathlib import Path

from tokenizers import Tokenizer

from factory.generation.tokens import estimate_tokens

CHARACTERS = 6000
"""Of each text, from its beginning."""


def main() -> None:
    """Prints estimate over count, a row for each text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path, nargs="+", help="text files in UTF-8")
    parser.add_argument("--tokenizer", action="append", required=True, help="NAME=FILE, a tokenizer.json")
    given = parser.parse_args()
    tokenizers = {name: Tokenizer.from_file(file) for name, file in (pair.split("=", 1) for pair in given.tokenizer)}
    print(
        f"| text | characters | estimate | {' | '.join(f'estimate / {name}' for name in tokenizers)} |\n{'|---' * (3 + len(tokenizers))}|"
    )
    for file in given.texts:
        text = file.read_text(encoding="utf-8-sig")[:CHARACTERS]
        estimate = estimate_tokens(text)
        ratios = [f"{estimate / len(tokenizer.encode(text, add_special_tokens=False).ids):.2f}" for tokenizer in tokenizers.values()]
        print(f"| {file.stem} | {len(text)} | {estimate} | {' | '.join(ratios)} |")


if __name__ == "__main__":
    main()
