"""`resblock`: which command is meant, what it prints, how it ends."""

import ast
import errno
import importlib
import importlib.util
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import resblock_backbones
from resblock_backbones.commands.front import main, run_command
from resblock_backbones.commands.table import COMMANDS
from resblock_backbones.files.whole import whole_file
from resblock_backbones.openmmlab.training.processes import deaths_explained
from resblock_backbones.options.errors import InputError

ROOT = Path(__file__).parents[2]
#: What the console script does, and then which modules are there.
SCRIPT = """
import sys
sys.argv[0] = "/somewhere/bin/resblock"
from resblock_backbones.commands.front import main
status = main()
print("imported:", *{"torch", "mmengine", "numpy"} & set(sys.modules))
sys.exit(status)
"""


def resblock(*arguments, code=SCRIPT, **more):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **more)


def test_alone_it_lists_every_command_with_a_line():
    done = resblock()
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout == resblock("--help").stdout == resblock("help").stdout
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("  ")]
    assert [line[0] for line in lines] == list(COMMANDS)
    assert all(len(line) > 3 for line in lines)


def test_help_takes_no_pytorch_and_next_to_no_time():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = resblock("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout.splitlines()[-1].split() == ["imported:"]
    spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    assert spent < 0.6  # 0.1 s on a machine of its own


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("words", ["{} --help", "help {}"])
def test_every_command_says_what_it_takes(name, words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words.format(name).split())
    said = capsys.readouterr().out
    assert ended.value.code == 0 and said.startswith(f"usage: resblock {name} ")
    module = importlib.import_module(f"resblock_backbones.commands.{COMMANDS[name].module}")
    assert module.__doc__.splitlines()[0] in said and "--traceback" in said


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("trian", "resblock has no command 'trian'; did you mean 'train'?"),
        ("Features", "resblock has no command 'Features'; did you mean 'features'?"),
        ("xyz", "resblock has no command 'xyz'; `resblock` alone lists them"),
        ("--cfg-options", "no command '--cfg-options'; "),
    ],
)
def test_an_unknown_command_is_told_with_the_nearest(typed, message, capsys):
    assert main([typed, "a.py"]) == 2
    said = capsys.readouterr()
    assert message in said.err and said.err.count("\n") == 1 and said.out == ""


def test_an_unknown_option_is_status_2(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["shapes", "--tarin", "3"])
    assert ended.value.code == 2 and "--tarin" in capsys.readouterr().err


def test_output_that_nobody_reads_to_its_end_is_no_mistake():
    code = "import sys\nfrom resblock_backbones.commands.front import main\nsys.exit(main())"
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-c", code.replace("sys\n", "sys\nsys.argv[0] = 'resblock'\n", 1)]
    done = subprocess.run([*command, "configs"], stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert done.returncode == 141 and done.stderr == ""


class Command:
    """A command that fails."""

    def __init__(self, error, **more):
        self.error = error
        self.__dict__.update(more)

    def add_arguments(self, parser):
        parser.add_argument("--n", type=int, default=0)

    def run(self, given):
        assert vars(given) == {"n": 3}
        raise self.error


@pytest.fixture
def ends(monkeypatch, capsys):
    """How a command ends that raises: its exit status, and the lines on stderr."""

    def run(error, *arguments, **more):
        module = f"resblock_backbones.commands.{COMMANDS['shapes'].module}"
        monkeypatch.setitem(sys.modules, module, Command(error, **more))
        status = run_command("shapes", ["--n", "3", *arguments])
        return status, capsys.readouterr().err.splitlines()

    return run


def test_a_mistake_of_the_users_is_one_line_and_status_2(ends):
    assert ends(InputError("a.py:\n  no such file")) == (2, ["error: a.py: no such file"])
    assert ends(FileNotFoundError("a.pth")) == (2, ["error: a.pth"])
    assert ends(TypeError("no option"), MISTAKES=(TypeError,)) == (2, ["error: no option"])
    status, lines = ends(InputError("a.py: no such file"), "--traceback")
    assert status == 2 and lines[0] == "Traceback (most recent call last):"


def test_a_mistake_that_a_worker_process_found_is_its_last_line(ends):
    told = (
        "Caught InputError in DataLoader worker process 0.\nOriginal Traceback (most recent call "
    )
    told += 'last):\n  File "worker.py", line 3\nresblock.errors.InputError: a.png: no such image\n'
    assert ends(InputError(told)) == (2, ["error: a.png: no such image"])


def test_a_mistake_of_ours_keeps_its_traceback(ends):
    with pytest.raises(TypeError, match="ours"):
        ends(TypeError("ours"))


def test_an_interrupted_command_says_what_there_is(ends):
    assert ends(KeyboardInterrupt()) == (130, ["interrupted; nothing was written"])
    assert ends(KeyboardInterrupt(), INTERRUPTED="half of it") == (130, ["half of it"])


def test_another_process_s_death_is_one_line_and_status_1(ends, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(RuntimeError) as caught, deaths_explained():
        raise RuntimeError("Connection closed by peer [127.0.0.1]:4")
    status, lines = ends(caught.value)
    assert status == 1 and len(lines) == 1
    assert lines[0].startswith("error [rank 1]: another process of this run has ended")
    with pytest.raises(RuntimeError, match="^out of memory$"), deaths_explained():
        raise RuntimeError("out of memory")


WITHOUT_MM = """
import importlib.util, sys
real = importlib.util.find_spec
absent = ("mmengine", "mmcv", "mmdet", "mmseg")
importlib.util.find_spec = lambda name, *rest: None if name in absent else real(name, *rest)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "a.py"],
        ["test", "a.py", "a.pth"],
        ["predict", "a.py", "a.pth", "a.png", "--out", "out"],
        ["features", ROOT / "docs/predictions.png", "--config", "a.py", "--out", "out"],
        ["export", "a.py", "b.pth", "--to", "pt2"],
        ["configs", "--page"],
        ["configs", "--copy", "faster-rcnn_flexr18-half_fpn_shapes"],
    ],
    ids=lambda value: " ".join(map(str, value[:2])),
)
def test_without_the_mm_packages_a_command_says_which_extra_brings_them(
    arguments, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    Path("a.py").write_text("model = dict()\n")
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name.startswith("mm") else real(name)
    )
    assert main(list(map(str, arguments))) == 2
    told = capsys.readouterr().err
    assert "pip install 'resblock_backbones[onedl]'" in told and told.count("\n") == 1
    assert [one.name for one in tmp_path.iterdir()] == ["a.py"]


def test_an_old_torch_is_refused_with_the_reason(tmp_path):
    # Once by the records of pip, and once by its own word.
    (tmp_path / "torch-2.9.1.dist-info").mkdir()
    (tmp_path / "torch-2.9.1.dist-info/METADATA").write_text("Name: torch\nVersion: 2.9.1\n")
    by_records = f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\n"
    by_word = "import sys, types\nsys.modules['torch'] = types.ModuleType('torch')\n"
    by_word += "sys.modules['torch'].__version__ = '2.9.1+cu128'\n"
    for old, version in ((by_records, "2.9.1"), (by_word, "2.9.1+cu128")):
        imported = resblock(code=f"{old}import resblock_backbones")
        command = resblock("convert", "a.pth", "b.pth", "--to", "timm", code=old + SCRIPT)
        for done in (imported, command):
            told = done.stderr.splitlines()[-1]
            assert f"torch {version} is too old" in told and "pip install 'torch>=2.10'" in told
            assert "CVE-2025-32434" in told and "CVE-2026-24747" in told
        assert imported.returncode == 1 and command.returncode == 2
        assert command.stderr.count("\n") == 1
        assert resblock("--help", code=old + SCRIPT).returncode == 0


def test_the_tools_are_the_commands():
    called = {}
    for tool in sorted((ROOT / "tools").glob("*.py")):
        tree = ast.parse(tool.read_text())
        calls = [one for one in ast.walk(tree) if isinstance(one, ast.Call)]
        (name,) = [
            one.args[0].value for one in calls if getattr(one.func, "id", "") == "run_command"
        ]
        called[tool.stem] = name
    assert called == {
        "analyse": "analyse",
        "convert_checkpoint": "convert",
        "eval_imagenet": "imagenet",
        "export": "export",
        "extract_features": "features",
        "list_configs": "configs",
        "make_shapes": "shapes",
        "predict": "predict",
        "test": "test",
        "train": "train",
    }


def test_the_package_in_the_command_gives_all_its_names_when_they_are_asked_for():
    code = (
        "import sys\nsys.argv[0] = 'resblock'\nimport resblock_backbones\n"
        "assert 'torch' not in sys.modules\n"
        "assert set(resblock_backbones.__all__) <= set(dir(resblock_backbones))\n"
        "from resblock_backbones import *\n"
        "FlexResNet.from_checkpoint, BACKBONES.get('FlexResNet')\n"
    )
    done = resblock(code=code)
    assert done.returncode == 0, done.stderr


def test_all_public_names_are_imported_without_mmengine():
    code = "from resblock_backbones import *\nFlexResNet, load_weights\n"
    done = resblock(code=f"{WITHOUT_MM}{code}assert 'BACKBONES' not in globals()")
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError, match="no_such_name"):
        resblock_backbones.no_such_name  # noqa: B018


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_refuses_is_one_line_of_any_command(tmp_path, monkeypatch, capsys, number):
    """It may run full in any command; the temporary file is removed."""
    target = tmp_path / "out/shapes.json"

    def run(given):
        with whole_file(target) as opened:
            opened.write(b"half")
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr("resblock_backbones.commands.starting.configs.run", run)
    assert run_command("configs", []) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {target}: {os.strerror(number)}") and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_not_there_is_named_without_its_number(monkeypatch, capsys):
    monkeypatch.setattr(
        "resblock_backbones.commands.starting.configs.run", lambda given: Path("none.png").stat()
    )
    assert run_command("configs", []) == 2
    assert capsys.readouterr().err == "error: none.png: No such file or directory\n"


def test_another_error_of_the_system_is_no_mistake_of_the_user(monkeypatch):
    def run(given):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("resblock_backbones.commands.starting.configs.run", run)
    with pytest.raises(OSError, match="Input/output error"):
        run_command("configs", [])
