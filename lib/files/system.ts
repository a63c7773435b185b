/** How the paths and files of Windows differ from those of other systems. */
export interface System {
  /** separates the names in a path */
  readonly separator: RegExp
  /** the characters of a pattern that names may hold, and that a name therefore escapes */
  readonly wildcard: RegExp
  /** matches a name that no file can have, and that stands for a device or a part of another file */
  readonly forbiddenName: RegExp
  /** true if names that differ in upper and lower case alone are of one file */
  readonly ignoresCase: boolean
  /** the folders that hold all files */
  readonly roots: readonly string[]
  /** true if a file that is open can be removed and its folder too */
  readonly removesOpenFiles: boolean
  /** true if a file that nobody may write to can be replaced */
  readonly replacesReadOnlyFiles: boolean
  /** the codes of the error that replaces no file while another process reads it, and how often to try again */
  readonly heldCodes: readonly string[]
  /** true if the names in a folder reach the disk only on demand */
  readonly syncsFolders: boolean
  /** the codes of the error that standard output has no reader any more */
  readonly readerGoneCodes: readonly string[]
  /** the environment variable that names the folder of temporary files */
  readonly temporaryFolder: string
  /** a text as one word of a command line */
  readonly quoteForShell: (text: string) => string
}

const posix: System = {
  separator: /\//g,
  wildcard: /[*?[]/g,
  forbiddenName: /\0/,
  ignoresCase: false,
  roots: ['/'],
  removesOpenFiles: true,
  replacesReadOnlyFiles: true,
  heldCodes: [],
  syncsFolders: true,
  readerGoneCodes: ['EPIPE'],
  temporaryFolder: 'TMPDIR',
  quoteForShell: (text) => (text.includes("'") ? `"${text.replace(/["$`\\]/g, '\\$&')}"` : `'${text}'`),
}

const windows: System = {
  separator: /[\\/]/g,
  // The ? of \\?\C:\ is none.
  wildcard: /\[/g,
  // biome-ignore lint/suspicious/noControlCharactersInRegex: Windows forbids them
  forbiddenName: /[<>:"|?*\x00-\x1f]|[. ]$|^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(\.|$)/i,
  ignoresCase: true,
  roots: Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZ', (letter) => `${letter}:\\`),
  removesOpenFiles: false,
  replacesReadOnlyFiles: false,
  heldCodes: ['EPERM', 'EACCES', 'EBUSY'],
  syncsFolders: false,
  readerGoneCodes: ['EPIPE', 'EOF'],
  temporaryFolder: 'TEMP',
  // Both cmd.exe and PowerShell take these; cmd.exe knows no other.
  quoteForShell: (text) => `"${text.replaceAll('"', '\\"')}"`,
}

export const systems = { posix, windows } as const

export const system: System = process.platform === 'win32' ? windows : posix

/** How to remove a file or folder that another program may have open for a moment: six tries within 1.5 seconds. */
export const removal = { recursive: true, force: true, maxRetries: 5 } as const

/** The names in a path. */
export function splitPath(path: string, { separator } = system): string[] {
  return path.split(separator).filter((name) => name !== '' && name !== '.')
}

/** A path with the same separator on each system, so that files in their order have the same order on each. */
export function withSlashes(path: string, { separator } = system): string {
  return path.replace(separator, '/')
}

/** True if a path is in a folder; both are absolute and without `..`. */
export function isInFolder(path: string, folder: string, of = system): boolean {
  const fold = (text: string) => (of.ignoresCase ? text.toLowerCase() : text)
  const outer = fold(withSlashes(folder, of))
  return fold(withSlashes(path, of)).startsWith(outer.endsWith('/') ? outer : `${outer}/`)
}
