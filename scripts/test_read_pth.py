#!/usr/bin/env python3
"""Tests of read_pth.py: `python3 scripts/test_read_pth.py`. PyTorch is not needed: its form is written by hand here."""
import collections, io, json, os, pathlib, pickle, random, struct, subprocess, sys, tempfile, types, unittest

import read_pth

# Stand-ins that pickle under the names PyTorch's have.
torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
sys.modules.update({"torch": torch, "torch._utils": utils})
for name in ("FloatStorage", "LongStorage"):
    setattr(torch, name, type(name, (), {"__module__": "torch"}))


def _rebuild_tensor_v2(*args):
    raise AssertionError("a pickle was run")


_rebuild_tensor_v2.__module__ = "torch._utils"
utils._rebuild_tensor_v2 = _rebuild_tensor_v2


class Held:
    """A storage before it is pickled."""

    def __init__(self, kind, key, data):
        self.kind, self.key, self.data = kind, key, data


class View:
    def __init__(self, storage, offset, shape, strides):
        self.args = (storage, offset, shape, strides, False, collections.OrderedDict())

    def __reduce__(self):
        return _rebuild_tensor_v2, self.args


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        if isinstance(value, Held):
            return ("storage", value.kind, value.key, "cpu", len(value.data) // 4 if value.kind is torch.FloatStorage else len(value.data) // 8, None)


def legacy(state, storages, magic=read_pth.MAGIC):
    out = io.BytesIO()
    for value in (magic, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}, state, [s.key for s in storages]):
        Pickler(out, 2).dump(value)
    for s in storages:
        size = 4 if s.kind is torch.FloatStorage else 8
        out.write(struct.pack("<q", len(s.data) // size) + s.data)
    return out.getvalue()


def sample():
    numbers = Held(torch.FloatStorage, "11", struct.pack("<6f", 1, 2, 3, 4, 5, 6))
    count = Held(torch.LongStorage, "12", struct.pack("<q", 77))
    state = collections.OrderedDict(
        [
            ("a.weight", View(numbers, 0, (2, 3), (3, 1))),
            ("a.turned", View(numbers, 0, (3, 2), (1, 3))),
            ("a.part", View(numbers, 4, (2,), (1,))),
            ("a.none", View(numbers, 6, (0, 3), (3, 1))),
            ("a.count", View(count, 0, (), ())),
        ]
    )
    state._metadata = collections.OrderedDict([("", {"version": 1})])
    return legacy(state, [numbers, count])


class Tests(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.path = pathlib.Path(self.dir.name) / "x.pth"

    def read(self, data):
        self.path.write_bytes(data)
        return read_pth.read(self.path)

    def test_tensors_are_what_their_strides_say(self):
        tensors = self.read(sample())
        self.assertEqual(list(tensors), ["a.weight", "a.turned", "a.part", "a.none", "a.count"])
        floats = lambda name: struct.unpack(f"<{len(tensors[name].bytes()) // 4}f", tensors[name].bytes())
        self.assertEqual(floats("a.weight"), (1, 2, 3, 4, 5, 6))
        self.assertEqual(floats("a.turned"), (1, 4, 2, 5, 3, 6))
        self.assertEqual(floats("a.part"), (5, 6))
        self.assertEqual(floats("a.none"), ())
        self.assertEqual(tensors["a.count"].bytes(), struct.pack("<q", 77))

    def test_the_file_is_written_whole(self):
        target = pathlib.Path(self.dir.name) / "x.safetensors"
        read_pth.write(self.read(sample()), target)
        data = target.read_bytes()
        (n,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + n])
        self.assertEqual(header["a.turned"]["shape"], [3, 2])
        self.assertEqual(max(t["data_offsets"][1] for t in header.values()), len(data) - 8 - n)
        self.assertEqual((header["a.count"]["dtype"], header["a.count"]["shape"]), ("I64", []))
        self.assertEqual(sorted(os.listdir(self.dir.name)), ["x.pth", "x.safetensors"])

    def test_a_file_that_ends_anywhere_is_corrupt(self):
        data = sample()
        for n in range(len(data)):
            with self.assertRaises(read_pth.Corrupt, msg=f"{n} of {len(data)} bytes"):
                self.read(data[:n])
        with self.assertRaisesRegex(read_pth.Corrupt, "behind its last storage"):
            self.read(data + b"x")

    def test_changed_bytes_never_run_and_never_fail_otherwise(self):
        rng, data = random.Random(1), sample()
        for _ in range(4000):
            changed = bytearray(data)
            for _ in range(rng.randrange(1, 4)):
                changed[rng.randrange(len(changed))] = rng.randrange(256)
            try:
                tensors = self.read(bytes(changed))
                for t in tensors.values():
                    t.bytes()
            except read_pth.Corrupt as e:
                self.assertEqual(len(str(e).splitlines()), 1)

    def test_what_is_no_state_dict_is_said(self):
        class Evil:
            def __reduce__(self):
                return os.system, ("touch should_not_be_here",)

        numbers = Held(torch.FloatStorage, "1", struct.pack("<2f", 1, 2))
        for data, said in [
            (legacy({"x": Evil()}, []), "system"),
            (legacy({"x": View(numbers, 0, (3,), (1,))}, [numbers]), "beyond its storage"),
            (legacy({"x": View(numbers, 0, (2,), (1,))}, [numbers], magic=5), "magic number"),
            (legacy({"x": 5}, []), "no tensors"),
            (b"PK\x03\x04", "legacy"),
            (b"", "legacy"),
        ]:
            with self.assertRaisesRegex(read_pth.Corrupt, said):
                self.read(data)
        self.assertFalse(os.path.exists("should_not_be_here"))

    def test_the_program_says_one_line_and_writes_nothing(self):
        self.path.write_bytes(sample()[:-3])
        target = pathlib.Path(self.dir.name) / "y.safetensors"
        script = pathlib.Path(__file__).with_name("read_pth.py")
        done = subprocess.run([sys.executable, script, self.path, target], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"x\.pth: storage '12' ends after 5 of 8 bytes")
        self.assertEqual(len(done.stderr.splitlines()), 1)
        self.assertEqual(os.listdir(self.dir.name), ["x.pth"])


if __name__ == "__main__":
    unittest.main()
