// If this library is preloaded, the extension cannot read the stack of DuckDB, and finds no call site. Some
// builds unwind with the compiler's shared library. Others have a copy of it, which asks for the tables of
// each library.

#include <dlfcn.h>
#include <link.h>

#include <cstring>

namespace {

// Whether the library around an address has a name that contains `name`.
bool is_in(const char* name, void* address) {
  Dl_info library;
  return dladdr(address, &library) != 0 && strstr(library.dli_fname, name) != nullptr;
}

// DuckDB's own exceptions still find its stack.
bool is_extension(void* caller) { return is_in("hinge_embedding_loss", caller); }

template <class Function>
Function* find_next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

struct Search {
  int (*visit)(dl_phdr_info*, size_t, void*);
  void* data;
};

int visit_others(dl_phdr_info* library, size_t size, void* data) {
  const Search& search = *static_cast<const Search*>(data);
  return strstr(library->dlpi_name, "libduckdb") == nullptr ? search.visit(library, size, search.data) : 0;
}

}  // namespace

extern "C" {

int _Unwind_Backtrace(void*, void*) {
  return 5;  // _URC_END_OF_STACK
}

int dl_iterate_phdr(int (*visit)(dl_phdr_info*, size_t, void*), void* data) {
  const auto next = find_next<decltype(dl_iterate_phdr)>("dl_iterate_phdr");
  Search search{visit, data};
  return is_extension(__builtin_return_address(0)) ? next(visit_others, &search) : next(visit, data);
}

#if defined(DLFO_STRUCT_HAS_EH_DBASE)  // from glibc 2.35 on
int _dl_find_object(void* address, dl_find_object* object) {
  const bool is_hidden = is_extension(__builtin_return_address(0)) && is_in("libduckdb", address);
  return is_hidden ? -1 : find_next<decltype(_dl_find_object)>("_dl_find_object")(address, object);
}
#endif

}  // extern "C"
