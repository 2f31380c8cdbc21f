"""Annotation JSON is read in any encoding, and what is no JSON is told in one line."""

import json

import pytest

from resblock_backbones.data.annotations import json_files
from resblock_backbones.data.annotations.json_files import has_plain_encoding, read_json, read_text
from resblock_backbones.data.errors import DatasetError

CONTENT = {"categories": [{"id": 1, "name": "猫"}, {"id": 2, "name": "chien"}]}


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"],
)
def test_a_file_is_read_in_any_encoding_of_unicode(tmp_path, encoding):
    (tmp_path / "a.json").write_text(json.dumps(CONTENT, ensure_ascii=False), encoding=encoding)
    assert read_json(tmp_path / "a.json") == CONTENT
    assert has_plain_encoding(tmp_path / "a.json") == (encoding == "utf-8")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (b'{"a": 1,\n "b" 2}', "line 2, column 6"),
        (b'{"a": "\xe9"}', "not text"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "no COCO JSON"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_json_is_told_in_one_line(tmp_path, content, message):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DatasetError, match=message) as caught:
        read_json(tmp_path / "a.json")
    assert "a.json" in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DatasetError, match="gone.json: there is no such file"):
        read_json(tmp_path / "gone.json")


def test_a_file_that_does_not_fit_into_memory_is_told_before_it_is_read(tmp_path, monkeypatch):
    file = tmp_path / "large.json"
    with file.open("wb") as opened:
        opened.truncate(500_000_000)
    monkeypatch.setattr(json_files, "free_memory", lambda: 3_000_000_000)
    with pytest.raises(DatasetError, match=r"500 MB take about 6.0 GB of memory.* 3.0 GB are free"):
        read_json(file)
    with pytest.raises(DatasetError, match="has 500 MB, too large for a file of labels"):
        read_text(file)
    assert json_files.free_memory() is None or json_files.free_memory() > 0
