import { dirname, isAbsolute, relative } from 'node:path'
import { stringify } from 'yaml'
import type { KeyFiles } from './key-files.ts'

/** A key as a configuration has it: `kind: file`, with the members in the order of docs/configuration.md. */
export type KeyEntry = Readonly<{ keyid: string; kind: 'file'; path: string; passphraseFile?: string; passphraseFd?: number; installedPath?: string; certificate?: string }>

/** Returns the entry of a key in the configuration that lies at `configFile`: what is below its folder is named from there. */
export function entryOf({ keyid, privateKey, passphrase: { passphraseFile, passphraseFd }, certificate }: KeyFiles, { installedPath, configFile }: Readonly<{ installedPath: string | undefined; configFile?: string | undefined }>): KeyEntry {
  const from = (path: string): string => (configFile === undefined ? path : shortest(dirname(configFile), path))
  return {
    keyid,
    kind: 'file',
    path: from(privateKey.path),
    ...(passphraseFile === undefined ? {} : { passphraseFile: from(passphraseFile) }),
    ...(passphraseFd === undefined ? {} : { passphraseFd }),
    ...(installedPath === undefined ? {} : { installedPath }),
    ...(certificate === undefined ? {} : { certificate: from(certificate.path) }),
  }
}

/** Returns what stands under `keys:` for an entry, with the files of the key as comments. */
export function entryText(entry: KeyEntry, { algorithm, spkiSha256, privateKey, publicKey, certificate, request, passphrase }: KeyFiles): string {
  const isPlain = passphrase.passphraseFile === undefined && passphrase.passphraseFd === undefined
  const comments = [
    `key ${entry.keyid}: ${algorithm}, SHA-256 of its public key ${spkiSha256}`,
    `private key: ${privateKey.path} (mode 0600, ${isPlain ? 'not encrypted' : 'encrypted'})`,
    `public key for the targets: ${publicKey.path} (mode 0644)`,
    ...(certificate === undefined ? [] : [`certificate: ${certificate.path} (mode 0644)`]),
    ...(request === undefined ? [] : [`certificate request: ${request.path} (mode 0644)`]),
  ]
  return `${comments.map((line) => `# ${line}\n`).join('')}${stringify([entry], { lineWidth: 0 })}`
}

function shortest(folder: string, path: string): string {
  const below = relative(folder, path)
  return below === '..' || below.startsWith('../') || isAbsolute(below) ? path : below
}
