#!/usr/bin/env python3
"""Converts a PyTorch state dict in the legacy form of `torch.save` (before 1.6: no zip archive) to safetensors.

    python3 scripts/read_pth.py model.pth model.safetensors

Such a file is five pickles (a magic number, the protocol version, the sizes of C types, the state dict, the keys of its
storages) and then the storages. A pickle is a program, and running one runs whatever its author wanted; nothing is run
here: the few instructions that a state dict consists of are interpreted on plain values, any other is an error.
A file that is no such thing, or ends early, gives one line that says what is wrong and where, and nothing is written.
"""
import json, os, pickletools, struct, sys

MAGIC = 0x1950A86A20F9469CFC6C
# storage: (name in safetensors, bytes of an element)
STORAGES = {
    "torch FloatStorage": ("F32", 4),
    "torch DoubleStorage": ("F64", 8),
    "torch HalfStorage": ("F16", 2),
    "torch BFloat16Storage": ("BF16", 2),
    "torch LongStorage": ("I64", 8),
    "torch IntStorage": ("I32", 4),
    "torch ShortStorage": ("I16", 2),
    "torch CharStorage": ("I8", 1),
    "torch ByteStorage": ("U8", 1),
    "torch BoolStorage": ("BOOL", 1),
}


class Corrupt(Exception):
    """The file is no state dict in the legacy form."""


class Symbol(str):
    """A name that a pickle would import."""


class Storage:
    """Numbers that tensors look into."""

    def __init__(self, kind, key, count):
        if kind not in STORAGES:
            raise Corrupt(f"storage {key!r} is of the unknown type {kind!r}")
        if not isinstance(key, str) or not isinstance(count, int) or count < 0:
            raise Corrupt("a storage without a key or a number of elements")
        self.dtype, self.size = STORAGES[kind]
        self.key, self.count, self.data = key, count, None


class Tensor:
    """A view of a storage."""

    def __init__(self, storage, offset, shape, strides):
        fits = isinstance(storage, Storage) and isinstance(offset, int) and isinstance(shape, tuple) and isinstance(strides, tuple)
        if not fits or len(shape) != len(strides) or not all(isinstance(n, int) and n >= 0 for n in shape + strides + (offset,)):
            raise Corrupt("a tensor without a storage, a shape or strides")
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides
        last = offset + sum((n - 1) * s for n, s in zip(shape, strides))
        if 0 not in shape and last >= storage.count:
            raise Corrupt(f"a tensor of shape {list(shape)} reaches beyond its storage {storage.key!r}")

    def bytes(self):
        """The elements in row-major order."""
        size, data = self.storage.size, self.storage.data
        dense, expected = True, 1
        for n, s in zip(reversed(self.shape), reversed(self.strides)):
            dense &= n == 1 or s == expected
            expected *= n
        if 0 in self.shape:
            return b""
        if dense:
            return data[self.offset * size : (self.offset + expected) * size]
        places = [self.offset]
        for n, s in zip(self.shape, self.strides):
            places = [p + i * s for p in places for i in range(n)]
        return b"".join(data[p * size : (p + 1) * size] for p in places)


class Mark:
    """Where a list of arguments begins."""


def call(function, args):
    """What a function of a state dict gives."""
    if function == "collections OrderedDict" and args == ():
        return {}
    if function == "torch._utils _rebuild_tensor_v2" and 4 <= len(args) <= 7:
        return Tensor(*args[:4])
    if function == "torch._utils _rebuild_parameter" and len(args) == 3 and isinstance(args[0], Tensor):
        return args[0]
    raise Corrupt(f"it calls {function!r}, which no state dict does")


def unpickle(file):
    """The value of the pickle at the file's place."""
    stack, memo, storages = [], {}, {}

    def pop():
        if not stack or isinstance(stack[-1], Mark):
            raise Corrupt("a pickle takes more values than it made")
        return stack.pop()

    def to_mark():
        for i in range(len(stack) - 1, -1, -1):
            if isinstance(stack[i], Mark):
                values = stack[i + 1 :]
                del stack[i:]
                return values
        raise Corrupt("a pickle takes more values than it made")

    def top(kind):
        if not stack or not isinstance(stack[-1], kind):
            raise Corrupt("a pickle puts a value where none belongs")
        return stack[-1]

    def put(pairs):
        if len(pairs) % 2 or not all(isinstance(k, str) for k in pairs[::2]):
            raise Corrupt("a dict without names")
        top(dict).update(zip(pairs[::2], pairs[1::2]))

    def storage(value):
        if not isinstance(value, tuple) or len(value) not in (5, 6) or value[0] != "storage" or value[5:] not in ((), (None,)):
            raise Corrupt("a persistent id that is no storage")
        _, kind, key, _, count = value[:5]
        made = Storage(kind, key, count)
        known = storages.setdefault(key, made)
        if (known.dtype, known.count) != (made.dtype, made.count):
            raise Corrupt(f"storage {key!r} is of two kinds")
        return known

    for op, arg, _ in pickletools.genops(file):
        name = op.name
        if name in ("PROTO", "FRAME"):
            pass
        elif name == "STOP":
            value = pop()
            if stack:
                raise Corrupt("a pickle leaves values behind")
            return value, storages
        elif name == "MARK":
            stack.append(Mark())
        elif name in ("BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE", "SHORT_BINUNICODE", "BINFLOAT"):
            stack.append(arg)
        elif name in ("NONE", "NEWTRUE", "NEWFALSE", "EMPTY_TUPLE", "EMPTY_DICT", "EMPTY_LIST"):
            stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}.get(name, {} if name == "EMPTY_DICT" else []))
        elif name == "GLOBAL":
            stack.append(Symbol(arg))
        elif name == "TUPLE":
            stack.append(tuple(to_mark()))
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            values = [pop() for _ in range(int(name[-1]))]
            stack.append(tuple(reversed(values)))
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[arg] = top(object)
        elif name in ("BINGET", "LONG_BINGET"):
            if arg not in memo:
                raise Corrupt("a pickle asks for a value it did not keep")
            stack.append(memo[arg])
        elif name == "BINPERSID":
            stack.append(storage(pop()))
        elif name == "REDUCE":
            args, function = pop(), pop()
            if not isinstance(args, tuple) or not isinstance(function, Symbol):
                raise Corrupt("a pickle calls what is no function")
            stack.append(call(function, args))
        elif name == "SETITEM":
            value, key = pop(), pop()
            put([key, value])
        elif name == "SETITEMS":
            put(to_mark())
        elif name == "APPEND":
            value = pop()
            top(list).append(value)
        elif name == "APPENDS":
            values = to_mark()
            top(list).extend(values)
        elif name == "BUILD":
            # Attributes of an ordered dict: the versions of modules.
            pop()
            top(dict)
        else:
            raise Corrupt(f"it holds the instruction {name}, which no state dict has")
    raise Corrupt("a pickle does not end")


def read(path):
    """The tensors of a state dict by name."""
    with open(path, "rb") as file:
        try:
            magic, _ = unpickle(file)
            if magic != MAGIC:
                raise Corrupt("it does not begin with the magic number of torch.save's legacy form")
            version, _ = unpickle(file)
            if version != 1001:
                raise Corrupt(f"its protocol version is {version!r}, not 1001")
            system, _ = unpickle(file)
            if not isinstance(system, dict) or system.get("little_endian") is not True:
                raise Corrupt("it was not written on a little-endian machine")
            state, storages = unpickle(file)
            keys, _ = unpickle(file)
            if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(storages):
                raise Corrupt("the keys of its storages are not those of its tensors")
            for key in keys:
                s, count = storages[key], file.read(8)
                if len(count) != 8 or struct.unpack("<q", count)[0] != s.count:
                    raise Corrupt(f"storage {key!r} ends early or has another number of elements than its tensors say")
                s.data = file.read(s.count * s.size)
                if len(s.data) != s.count * s.size:
                    raise Corrupt(f"storage {key!r} ends after {len(s.data)} of {s.count * s.size} bytes")
            if file.read(1):
                raise Corrupt("there is more behind its last storage")
        except Corrupt as e:
            raise Corrupt(f"{e} (byte {file.tell()})") from None
        # What Python's own reader of instructions says of bytes that are none, and of numbers too large to be true.
        except (ValueError, IndexError, KeyError, UnicodeError, OverflowError, MemoryError, struct.error, TypeError, RecursionError) as e:
            raise Corrupt(f"no legacy state dict of PyTorch: {e} (byte {file.tell()})") from None
    if not isinstance(state, dict) or not state or not all(isinstance(t, Tensor) for t in state.values()):
        raise Corrupt("it holds no tensors by name")
    return state


def write(tensors, path):
    """A safetensors file; it appears when it is whole."""
    header, offset, blocks = {}, 0, []
    for name, t in sorted(tensors.items()):
        block = t.bytes()
        header[name] = {"dtype": t.storage.dtype, "shape": list(t.shape), "data_offsets": [offset, offset + len(block)]}
        offset += len(block)
        blocks.append(block)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    part = f"{path}.part{os.getpid()}"
    try:
        with open(part, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            file.writelines(blocks)
        os.replace(part, path)
    except OSError:
        if os.path.exists(part):
            os.unlink(part)
        raise


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: read_pth.py model.pth model.safetensors")
    try:
        write(read(sys.argv[1]), sys.argv[2])
    except (Corrupt, OSError) as e:
        sys.exit(f"{sys.argv[1]}: {e}")


if __name__ == "__main__":
    main()
