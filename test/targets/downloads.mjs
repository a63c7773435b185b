// Fetches packages of other platforms, once, to a folder of the temporary directory. The registries' own clients download.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const cache = join(tmpdir(), 'targets-of-hinge-embedding-loss')

/** What this machine lacks to run a target. */
export class Unavailable extends Error {}

export function runTool(command, args, cwd) {
  try {
    return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    const lines = (error.stderr || error.message).trim().split('\n')
    throw new Unavailable(`${command} ${args[0]}: ${lines.at(-1)}`)
  }
}

/** Returns the folder `name` of the cache, which `fill` fills only if it is not there. No run sees a part of it. */
export function cached(name, fill) {
  const folder = join(cache, name)
  if (existsSync(folder)) return folder
  mkdirSync(cache, { recursive: true })
  const partial = mkdtempSync(join(cache, 'partial-'))
  try {
    fill(partial)
    mkdirSync(join(folder, '..'), { recursive: true })
    renameSync(partial, folder)
  } catch (error) {
    // Another run may have filled it meanwhile.
    if (!existsSync(folder)) throw error
  } finally {
    rmSync(partial, { recursive: true, force: true })
  }
  return folder
}

/** Throws if the bytes are not those that were downloaded when the hash was written down. */
function checkIntegrity(path, integrity) {
  const [algorithm] = integrity.split('-')
  const actual = `${algorithm}-${createHash(algorithm).update(readFileSync(path)).digest('base64')}`
  if (actual !== integrity) throw new Error(`${path} has the hash ${actual}, not ${integrity}`)
}

function downloadedFile(folder, ending) {
  return join(
    folder,
    readdirSync(folder).find((each) => each.endsWith(ending)),
  )
}

/** Returns the folder of a package of npm. */
export function fetchNpm({ name, version, integrity }) {
  return cached(`npm/node_modules/${name}@${version}`, (folder) => {
    runTool('npm', ['pack', `${name}@${version}`, '--silent', '--pack-destination', folder])
    const tarball = downloadedFile(folder, '.tgz')
    checkIntegrity(tarball, integrity)
    runTool('tar', ['-xf', tarball, '-C', folder, '--strip-components=1'])
    rmSync(tarball)
  })
}

/** Returns the folder with the files of a wheel of PyPI. */
export function fetchWheel({ name, version, platform, integrity }) {
  return cached(`pypi/${name}-${version}-${platform}`, (folder) => {
    const only = ['--no-deps', '--only-binary=:all:', '--platform', platform]
    runTool('python3', ['-m', 'pip', 'download', '--quiet', ...only, '--dest', folder, `${name}==${version}`])
    const wheel = downloadedFile(folder, '.whl')
    checkIntegrity(wheel, integrity)
    runTool('python3', ['-m', 'zipfile', '-e', wheel, folder])
    rmSync(wheel)
  })
}

/**
 * Returns a folder with the files of packages of Debian 13. They are downloaded with lists of their own, so that this
 * system stays as it is. apt checks the signatures; the versions are the newest of that release.
 */
export function fetchDebian(arch, packages) {
  return cached(`debian/${arch}-${packages.join('-')}`, (folder) => {
    const sites = runTool('apt-get', ['indextargets', '--format', '$(ORIGIN) $(SITE)', 'Created-By: Packages'])
    const site = /^Debian (\S+debian\/?)$/m.exec(sites)?.[1]
    if (site === undefined) throw new Unavailable('needs packages of Debian 13, and apt has no source of Debian here')
    const state = join(folder, 'apt')
    for (const path of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(state, path), { recursive: true })
    const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'
    writeFileSync(join(state, 'sources.list'), `deb [signed-by=${keyring}] ${site} trixie main\n`)
    const options = [
      `Dir::Etc::sourcelist=${state}/sources.list`,
      'Dir::Etc::sourceparts=/dev/null',
      `Dir::State::lists=${state}/lists`,
      `Dir::Cache=${state}/cache`,
      'APT::Sandbox::User=root',
      `APT::Architecture=${arch}`,
      `APT::Architectures=${arch}`,
    ].flatMap((option) => ['-o', option])
    runTool('apt-get', [...options, 'update'], state)
    runTool('apt-get', [...options, 'download', ...packages], state)
    for (const deb of readdirSync(state).filter((each) => each.endsWith('.deb'))) {
      runTool('dpkg', ['-x', join(state, deb), folder])
    }
    rmSync(state, { recursive: true })
  })
}
