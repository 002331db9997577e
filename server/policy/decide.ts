import type { ClientConfig } from '../config/schema.ts'
import type { ClientIdentity } from '../identity/client.ts'
import type { Format } from '../schemas/format.ts'
import type { Operation } from '../schemas/whoami.ts'
import { fitsPattern } from './pattern.ts'

/** Who may do what: the clients of the configuration, in its order. */
export type Policy = readonly ClientConfig[]

/**
 * What an operation is about to touch. `listed`: nothing but the client's own standing, at a time; `size`: a file of so many bytes, or a
 * digest of one; `filesets`: what a package that is to be signed has, none for what is no package.
 */
export type Resource =
  | Readonly<{ kind: 'listed'; at: Date }>
  | Readonly<{ kind: 'operation'; operation: Operation; at: Date }>
  | Readonly<{ kind: 'root'; root: string }>
  | Readonly<{ kind: 'key'; keyid: string }>
  | Readonly<{ kind: 'digest' }>
  | Readonly<{ kind: 'resign' }>
  | Readonly<{ kind: 'signaturesOf'; client: string }>
  | Readonly<{ kind: 'size'; fileBytes: number }>
  | Readonly<{ kind: 'format'; format: Format }>
  | Readonly<{ kind: 'filesets'; filesets: readonly string[] }>

/** Why something is denied. */
export type Denial =
  | 'CLIENT_UNKNOWN'
  | 'CLIENT_NOT_YET_VALID'
  | 'CLIENT_EXPIRED'
  | 'OPERATION_DENIED'
  | 'PATH_OUTSIDE_ROOTS'
  | 'KEY_NOT_AVAILABLE'
  | 'DIGEST_NOT_ALLOWED'
  | 'RESIGN_NOT_ALLOWED'
  | 'SIGNATURE_NOT_FOUND'
  | 'FILE_TOO_LARGE'
  | 'FORMAT_NOT_ALLOWED'
  | 'FILESET_NOT_ALLOWED'

export type Decision =
  | Readonly<{ kind: 'allow'; client: ClientConfig }>
  | Readonly<{ kind: 'deny'; reason: Denial; client?: ClientConfig }>

/**
 * Decides whether the holder of a certificate may touch a resource: allowed is what a list names, and an empty list denies.
 * Names and hashes are compared as they are, without case folding, wildcards or patterns; only filesets have patterns. When a certificate matches several
 * clients the first of the configuration is meant.
 */
export function decide(policy: Policy, identity: ClientIdentity | undefined, resource: Resource): Decision {
  const client = identity === undefined ? undefined : policy.find(({ match }) => matches(match, identity))
  if (client === undefined) return { kind: 'deny', reason: 'CLIENT_UNKNOWN' }
  const reason = denialOf(client, resource)
  return reason === undefined ? { kind: 'allow', client } : { kind: 'deny', reason, client }
}

function denialOf(client: ClientConfig, resource: Resource): Denial | undefined {
  switch (resource.kind) {
    case 'listed':
      return untimely(client, resource.at)
    case 'operation':
      return untimely(client, resource.at) ?? unless(client.allow.includes(resource.operation) || resource.operation === 'whoami', 'OPERATION_DENIED')
    case 'root':
      return unless(client.roots.includes(resource.root), 'PATH_OUTSIDE_ROOTS')
    case 'key':
      return unless(client.keys.includes(resource.keyid), 'KEY_NOT_AVAILABLE')
    case 'digest':
      return unless(client.digestOnly, 'DIGEST_NOT_ALLOWED')
    case 'resign':
      return unless(client.resign, 'RESIGN_NOT_ALLOWED')
    case 'signaturesOf':
      return unless(client.sees === 'all' || client.name === resource.client, 'SIGNATURE_NOT_FOUND')
    case 'size':
      return unless(client.maxFileBytes === undefined || resource.fileBytes <= client.maxFileBytes, 'FILE_TOO_LARGE')
    case 'format':
      return unless(client.formats === undefined || client.formats.includes(resource.format), 'FORMAT_NOT_ALLOWED')
    case 'filesets':
      return unless(client.filesets === undefined || allFit(resource.filesets, client.filesets), 'FILESET_NOT_ALLOWED')
  }
}

function unless(isAllowed: boolean, reason: Denial): Denial | undefined {
  return isAllowed ? undefined : reason
}

function untimely({ notBefore, notAfter }: ClientConfig, at: Date): Denial | undefined {
  if (notBefore !== undefined && at.getTime() < Date.parse(notBefore)) return 'CLIENT_NOT_YET_VALID'
  return unless(notAfter === undefined || at.getTime() < Date.parse(notAfter), 'CLIENT_EXPIRED')
}

/** Of what names no fileset nobody can say that it is the right one. */
function allFit(filesets: readonly string[], patterns: readonly string[]): boolean {
  return filesets.length > 0 && filesets.every((fileset) => patterns.some((pattern) => fitsPattern(pattern, fileset)))
}

function matches(match: ClientConfig['match'], identity: ClientIdentity): boolean {
  return 'san' in match ? identity.sans.includes(match.san) : match.spkiSha256 === identity.spkiSha256
}
