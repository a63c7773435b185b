// Warns before the package is packed without binaries. That is no error: a build from source can follow the install.
import { existsSync } from 'node:fs'

if (!existsSync(new URL('../prebuilds/manifest.json', import.meta.url)))
  console.error('warning: the package has no binaries, so each install must build them; npm run prebuild makes them')
