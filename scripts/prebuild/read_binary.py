# Prints as JSON what each given library exports, imports and requires. Arguments: paths of ELF, PE or Mach-O files.
import json
import sys

import lief


def read_elf(binary):
    # A symbol with a version is of the C library that has this version.
    imported = [(symbol.name, symbol.symbol_version) for symbol in binary.imported_symbols]
    versions = {
        version.symbol_version_auxiliary.name for _, version in imported if version and version.symbol_version_auxiliary
    }
    return {
        "exports": {symbol.name for symbol in binary.exported_symbols},
        "libraries": binary.libraries,
        "versions": versions,
        "unversioned": {name for name, version in imported if not (version and version.symbol_version_auxiliary)},
    }


def read_pe(binary):
    exports = {entry.name for entry in binary.get_export().entries} if binary.has_exports else ()
    return {"exports": exports, "libraries": {library.name for library in binary.imports}}


# The ordinal of symbols that dyld looks for in all libraries of the process.
dynamic_lookup = -2


def read_macho(binary):
    own = lief.MachO.LoadCommand.TYPE.ID_DYLIB
    return {
        "exports": {symbol.name.removeprefix("_") for symbol in binary.exported_symbols},
        "libraries": [library.name for library in binary.libraries if library.command != own],
        "anywhere": {
            binding.symbol.name.removeprefix("_")
            for binding in binary.bindings
            if binding.has_symbol and binding.library_ordinal == dynamic_lookup
        },
        "minimumOs": ".".join(str(number) for number in binary.build_version.minos[:2]),
        "isSigned": binary.has_code_signature,
    }


readers = {lief.ELF.Binary: read_elf, lief.PE.Binary: read_pe, lief.MachO.Binary: read_macho}


def read(path):
    binary = lief.parse(path)
    return readers[type(binary)](binary)


lief.logging.disable()
print(json.dumps([read(path) for path in sys.argv[1:]], default=sorted))
