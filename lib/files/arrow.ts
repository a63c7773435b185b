import { importPeer } from './peers.ts'

export type Arrow = typeof import('apache-arrow')

export function importArrow(): Promise<Arrow> {
  return importPeer(import('apache-arrow'), 'Arrow')
}
