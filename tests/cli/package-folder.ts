import { createHash, sign as cryptoSign } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { formatDsb, formatSignatureFile, writePackage } from '../../formats/index.ts'
import { packageSource } from '../helpers/packages.ts'
import { rsaKeyPair } from '../helpers/signables.ts'
import { scriptedServer, type ScriptedServer } from '../sdk/scripted-server.ts'
import { flagsFor, signature } from './harness.ts'

/** A package, its digest, and its signature in the forms that a client meets. */
export const KEY_PATH = '/etc/security/certificates/example.pem'
export const PACKAGE = writePackage(packageSource('PkgA'))
export const SHA256 = createHash('sha256').update(PACKAGE).digest('hex')
export const pair = rsaKeyPair()
export const RAW = cryptoSign('sha256', PACKAGE, pair.privateKey)
export const BLOCK = formatDsb({ signature: RAW, key: { form: 'LOC', path: KEY_PATH } })
export const RECORD = formatSignatureFile([{ keyid: '1001', package: 'PkgA', timestamp: '1', fileset: 'PkgA.rte', ftype: 'I', vrmf: '1.0.0.0', signature: RAW.toString('base64') }])
export const SIGNED = signature({ sha256: SHA256, signature: RAW.toString('base64') })

/** The answer to an upload of the package. */
export const signAnswer = (members: object = {}) => ({ path: 'PkgA.bff', files: ['PkgA.bff'], signatures: { 'PkgA.bff': SIGNED }, failures: {}, skipped: {}, warnings: [], ...members })

/** Makes a folder with the package bare, with its block and cut off, its signature in two forms, and the public key; returns its path. */
export function packageFolder(t: Test): string {
  const here = t.testdir({ 'public.pem': pair.publicKey.export({ type: 'spki', format: 'pem' }), folder: { 'b.txt': 'b' } })
  // testdir writes text.
  for (const [name, bytes] of [['PkgA.bff', PACKAGE], ['signed.bff', Buffer.concat([PACKAGE, BLOCK])], ['broken.bff', PACKAGE.subarray(0, 300)], ['record', Buffer.from(RECORD)], ['sig', RAW]] as const) writeFileSync(join(here, name), bytes)
  return here
}

/** Starts a scripted server; `flags` lead to it. */
export async function against(t: Test, script: Parameters<typeof scriptedServer>[1]): Promise<{ server: ScriptedServer; flags: string[] }> {
  const server = await scriptedServer(t, script)
  return { server, flags: await flagsFor(server) }
}
