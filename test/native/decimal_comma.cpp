// If this library is preloaded, strtod reads numbers of the extension as in a locale with a decimal comma: a
// point ends the number.

#include <dlfcn.h>

#include <cstring>
#include <string>

extern "C" double strtod(const char* text, char** end) {
  const auto next = reinterpret_cast<decltype(strtod)*>(dlsym(RTLD_NEXT, "strtod"));
  Dl_info caller;
  const bool is_extension = dladdr(__builtin_return_address(0), &caller) != 0 &&
                            strstr(caller.dli_fname, "hinge_embedding_loss") != nullptr;
  const std::string number(text, is_extension ? strcspn(text, ".") : 0);
  return is_extension ? next(number.c_str(), nullptr) : next(text, end);
}
