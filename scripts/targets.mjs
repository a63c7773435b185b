// The platforms that the package has binaries for, and how each tool names them.

/** The names of a platform's two binaries. */
export const addonFile = 'hinge_embedding_loss.node'
export const extensionFile = 'hinge_embedding_loss.duckdb_extension'

/** The folder of a platform's binaries below prebuilds/. */
export function nameTarget({ platform, arch, libc }) {
  return `${platform}-${arch}${libc === 'musl' ? '-musl' : ''}`
}

/** Returns the platform of this process, which need not be one of `targets`. */
export function findOwnTarget() {
  const { platform, arch } = process
  if (platform !== 'linux') return { platform, arch }
  const { glibcVersionRuntime } = process.report.getReport().header
  return { platform, arch, libc: glibcVersionRuntime === undefined ? 'musl' : 'glibc' }
}

/** The name of a platform in DuckDB, which loads no extension with another. */
export function nameDuckdbPlatform({ platform, arch, libc }) {
  const system = { darwin: 'osx', win32: 'windows' }[platform] ?? platform
  const architecture = { x64: 'amd64' }[arch] ?? arch
  return `${system}_${architecture}${libc === 'musl' ? '_musl' : ''}`
}

/** `zig` is the triple of Zig's compiler; `minimum` the oldest version of glibc or macOS that the binaries need. */
export const targets = [
  { platform: 'linux', arch: 'x64', libc: 'glibc', zig: 'x86_64-linux-gnu.2.17', minimum: '2.17' },
  { platform: 'linux', arch: 'arm64', libc: 'glibc', zig: 'aarch64-linux-gnu.2.17', minimum: '2.17' },
  { platform: 'linux', arch: 'x64', libc: 'musl', zig: 'x86_64-linux-musl' },
  { platform: 'linux', arch: 'arm64', libc: 'musl', zig: 'aarch64-linux-musl' },
  { platform: 'win32', arch: 'x64', zig: 'x86_64-windows-gnu' },
  { platform: 'darwin', arch: 'arm64', zig: 'aarch64-macos.11.0', minimum: '11.0' },
  { platform: 'darwin', arch: 'x64', zig: 'x86_64-macos.11.0', minimum: '11.0' },
].map((target) => ({ name: nameTarget(target), duckdb: nameDuckdbPlatform(target), ...target }))
