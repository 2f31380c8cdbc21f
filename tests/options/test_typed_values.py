"""Values as people type them: MMEngine's reading where it has one, Python's literals, dict()."""

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resblock_backbones.options.errors import ConfigError
from resblock_backbones.options.typed_values import parse_pairs, parse_value

# What MMEngine's DictAction makes of texts that it reads as meant.
AS_MMENGINE = ["1", "-3", "1e-3", "0.5", "true", "False", "None", "abc", "a,b", "1,2,3", "[1,2]"]
AS_MMENGINE += ["(1,2)", "[(1,2),(3,4)]", "[(1, 2, 3), [a, b], c]", "[a, b, c]", "(3)"]
AS_MMENGINE += ["data/shapes/", "torchvision://resnet50", "s3://a/b?c=d", "runs-2/epoch_1.pth", ""]
AS_MMENGINE += ["mmdet.FPN", "*.png", "inf", "010", "[]", "()", "1,", "[0.1,true,None]", "C:/a"]


@pytest.mark.parametrize("text", AS_MMENGINE)
def test_what_mmengine_reads_is_read_the_same(text):
    config = pytest.importorskip("mmengine.config")
    expected = config.DictAction._parse_iterable(text)
    assert parse_value(text) == expected
    assert type(parse_value(text)) is type(expected)


LITERALS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(LITERALS)
def test_every_python_literal_is_read_as_python_reads_it(value):
    assert ast.literal_eval(repr(value)) == value
    assert parse_value(repr(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("dict(type='GN',num_groups=8)", {"type": "GN", "num_groups": 8}),
        ('dict(type="GN", num_groups=8, )', {"type": "GN", "num_groups": 8}),
        ("dict(type=GN, num_groups=8)", {"type": "GN", "num_groups": 8}),
        ("{type: GN, num_groups: 8}", {"type": "GN", "num_groups": 8}),
        ("(1,2),(3,4)", [(1, 2), (3, 4)]),
        ("dict()", {}),
        (
            "dict(a=dict(b=[1, dict(c=(2, 3))]), d=None)",
            {"a": {"b": [1, {"c": (2, 3)}]}, "d": None},
        ),
        ("[dict(type='A'), dict(type='B', x=1e-3)]", [{"type": "A"}, {"type": "B", "x": 1e-3}]),
        ("'a b'", "a b"),
        ("'8'", "8"),
        ("'dict(a=1)'", "dict(a=1)"),
        ("it's", "it's"),
        ("my photos", "my photos"),
    ],
)
def test_a_value_is_read_as_it_is_meant(text, value):
    assert parse_value(text) == value


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["a=dict(type='GN'"], ") is missing"),
        (["a=[1,2)"], "')' closes nothing"),
        (["a='b"], "' is missing"),
        (["a=open('file')"], "only dict(...) is read"),
        (["a=dict(1, 2)"], "write dict(key=value)"),
        (["a={1, 2}"], "write {'key': value}"),
        (["a=dict(**b)"], "write dict(key=value)"),
        (["a"], "write it as key=value"),
        (["=1"], "write it as key=value"),
        (["a=[1,", "2]"], "a value with spaces goes in quotes: 'a=[1, 2]'"),
    ],
)
def test_what_cannot_be_read_is_told_with_the_way_to_write_it(pairs, message):
    with pytest.raises(ConfigError) as told:
        parse_pairs("--cfg-options", pairs)
    assert str(told.value).startswith(f"--cfg-options {pairs[0]}: ")
    assert message in str(told.value) and "\n" not in str(told.value)


def test_nothing_is_run(tmp_path):
    file = tmp_path / "ran"
    for text in (f"__import__('pathlib').Path('{file}').touch()", f"dict(a=open('{file}', 'w'))"):
        with pytest.raises(ValueError):
            parse_value(text)
    assert not file.exists()
