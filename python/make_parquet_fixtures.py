"""Writes packages/datasets/test/fixtures/parquet/: one small table in the encodings and codecs that writers use, and its rows.

Made with pyarrow 26.0.1:  python python/make_parquet_fixtures.py
Only the CRC files hold checksums, so that damage to them must be found.
"""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = Path(__file__).parent.parent / "packages/datasets/test/fixtures/parquet"
ROWS = 240


def make_table() -> pa.Table:
    texts = [f"review {i * 7919 % 100} " * (i % 5) + "é🧀" for i in range(ROWS)]
    return pa.table(
        {
            "text": [None if i % 7 == 3 else text for i, text in enumerate(texts)],
            "label": pa.array([i % 3 for i in range(ROWS)], pa.int64()),
            "count": pa.array([None if i % 11 == 0 else i % 5 - 1 for i in range(ROWS)], pa.int32()),
            "flag": [i % 4 == 0 for i in range(ROWS)],
            "score": [i / 7 for i in range(ROWS)],
            "list": [list(range(i % 4)) if i % 5 else None for i in range(ROWS)],
            "struct": [{"a": i, "b": f"x{i % 10}"} if i % 6 else None for i in range(ROWS)],
        }
    )


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    table = make_table()
    small = {"data_page_size": 512, "write_batch_size": 32}
    delta = {"label": "DELTA_BINARY_PACKED", "count": "DELTA_BINARY_PACKED", "score": "BYTE_STREAM_SPLIT", "flag": "RLE"}
    files = {
        "v1-dictionary": {"compression": "snappy", "data_page_version": "1.0", "row_group_size": 100},
        "v2-dictionary": {"compression": "none", "data_page_version": "2.0"},
        "v1-delta": {"compression": "none", "data_page_version": "1.0", "use_dictionary": False}
        | {"column_encoding": delta | {"text": "DELTA_BYTE_ARRAY"}},
        "v2-delta": {"compression": "zstd", "data_page_version": "2.0", "use_dictionary": False}
        | {"column_encoding": delta | {"text": "DELTA_LENGTH_BYTE_ARRAY"}},
        "gzip": {"compression": "gzip", "data_page_version": "2.0"},
        "brotli": {"compression": "brotli", "data_page_version": "1.0"},
        "lz4": {"compression": "lz4", "data_page_version": "1.0", "use_dictionary": False},
        "v1-index-crc": {"compression": "snappy", "data_page_version": "1.0", "use_dictionary": False}
        | {"write_page_index": True, "write_page_checksum": True},
        "v2-index-crc": {"compression": "none", "data_page_version": "2.0"}
        | {"write_page_index": True, "write_page_checksum": True},
    }
    for name, options in files.items():
        pq.write_table(table, FOLDER / f"{name}.parquet", **small, **options)
    rows = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in table.to_pylist())
    (FOLDER / "rows.jsonl").write_text(rows, encoding="utf-8")


if __name__ == "__main__":
    main()
