# For `node-gyp rebuild` in a clone. It is not packed: package managers compile a package that has this file.
{ "includes": ["native/binding.gyp"] }
