"""What a file is that is no checkpoint, by its contents."""

from __future__ import annotations

from pathlib import Path

#: How files of other kinds begin, and what they are.
BEGINNINGS = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself: run `git lfs pull`"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras and TensorFlow write; not PyTorch's"),
    (b"\x93NUMPY", "one numpy array (.npy), not a checkpoint"),
    (b"\x1f\x8b", "compressed by gzip: unpack it first"),
    (b"\xfd7zXZ", "compressed by xz: unpack it first"),
    (b"BZh", "compressed by bzip2: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd: unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"GGUF", "a GGUF file, which holds language models"),
)


#: How names of checkpoints end.
ENDINGS = (".pth", ".pt", ".pth.tar", ".ckpt", ".safetensors", ".bin", ".pkl")


def what_it_is(begin: bytes) -> str:
    """What a file is that begins so and is none of the kinds that are read.

    >>> what_it_is(b"version https://git-lfs.github.com/spec/v1")
    'a Git LFS pointer, not the file itself: run `git lfs pull`'
    >>> what_it_is(b"  <!DOCTYPE html>")
    'a web page, not a checkpoint: the download needs a log-in or another address'
    """
    if not begin:
        return "the file is empty"
    for start, kind in BEGINNINGS:
        if begin.startswith(start):
            return kind
    start = begin.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith(b"<?xml") and b"<net" in start:
        return "an OpenVINO model, not PyTorch's"
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        return "a web page, not a checkpoint: the download needs a log-in or another address"
    if start.startswith((b"{", b"[")) and _is_text(begin):
        if b"weight_map" in begin:
            return (
                "the index of a sharded checkpoint (it lists files); join them: load each by "
                "safetensors or torch.load and save one dict"
            )
        return "a JSON file, not a checkpoint"
    if begin.startswith(b"sys_info\0"):
        return (
            "written by PyTorch before 0.1.10, as a tar archive; where you trust it, load it by "
            "torch.load(file, weights_only=False) and save it again"
        )
    if begin[257:262] == b"ustar":
        return "a tar archive: unpack it first"
    if begin[4:8] == b"TFL3":
        return "a TensorFlow Lite model, not PyTorch's"
    if begin[:1] == b"\x08" and any(word in begin for word in (b"onnx", b"pytorch", b"graph")):
        return "an ONNX model, not a checkpoint; its weights have lost their names"
    if begin[:2] == b"PK":
        return "the file is cut off"
    if _is_text(begin):
        return f"a text file, not a checkpoint (it begins with {begin[:20].decode('latin-1')!r})"
    return f"no checkpoint (it begins with {begin[:4]!r})"


def what_folder(folder: Path) -> str:
    """What a folder is that was given in place of a file."""
    names = sorted(one.name for one in folder.iterdir())[:10_000]
    if any(name.endswith(".index.json") for name in names):
        return "this is a folder of a sharded checkpoint, which is not read; save one file of it"
    if any(name.endswith(".distcp") for name in names):
        return (
            "this is a folder of torch.distributed.checkpoint; "
            "torch.distributed.checkpoint.format_utils.dcp_to_torch_save makes one file of it"
        )
    if "saved_model.pb" in names:
        return "this is a folder of TensorFlow's, not PyTorch's"
    if "zero_to_fp32.py" in names:
        return "this is a folder of DeepSpeed's; its zero_to_fp32.py makes one file of it"
    if {"data.pkl", "byteorder"} <= set(names) or {"data.pkl", "version"} <= set(names):
        return "this is a folder that a checkpoint was unpacked to; give the file itself"
    files = [name for name in names if name.endswith(ENDINGS)]
    return "this is a folder" + (
        f"; give one of its files: {', '.join(files[:3])}" if files else ""
    )


def _is_text(begin: bytes) -> bool:
    return all(byte >= 32 or byte in b"\t\r\n\f" for byte in begin) and b"\x7f" not in begin
