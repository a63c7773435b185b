#pragma once

#include <cstddef>
#include <functional>

// What each operating system does in its own way.
namespace hinge_embedding_loss {

// The processors that the process may use, at least 1.
size_t count_processors();

// Node unloads an addon when the last worker thread that loaded it ends. The library that this is linked into
// stays loaded until the process ends.
void keep_library_loaded();

// Starts a thread that takes no signals of the process, which are for the program's own threads. Returns
// false if the system has no more threads.
bool start_thread(const std::function<void()>& run);

}  // namespace hinge_embedding_loss
