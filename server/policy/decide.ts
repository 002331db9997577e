import type { ClientConfig } from '../config/schema.ts'
import type { ClientIdentity } from '../identity/client.ts'
import type { Operation } from '../schemas/whoami.ts'

/** Who may do what: the clients of the configuration, in its order. */
export type Policy = readonly ClientConfig[]

/** What an operation is about to touch. `listed`: nothing but the client's own standing. */
export type Resource =
  | Readonly<{ kind: 'listed' }>
  | Readonly<{ kind: 'operation'; operation: Operation }>
  | Readonly<{ kind: 'root'; root: string }>
  | Readonly<{ kind: 'key'; keyid: string }>
  | Readonly<{ kind: 'digest' }>
  | Readonly<{ kind: 'resign' }>
  | Readonly<{ kind: 'signaturesOf'; client: string }>

export type Decision =
  | Readonly<{ kind: 'allow'; client: ClientConfig }>
  | Readonly<{ kind: 'deny'; reason: 'CLIENT_UNKNOWN' | 'OPERATION_DENIED' | 'PATH_OUTSIDE_ROOTS' | 'KEY_NOT_AVAILABLE' | 'DIGEST_NOT_ALLOWED' | 'RESIGN_NOT_ALLOWED' | 'SIGNATURE_NOT_FOUND'; client?: ClientConfig }>

/**
 * Decides whether the holder of a certificate may touch a resource: allowed is what a list names, and an empty list denies.
 * Names and hashes are compared as they are, without case folding, wildcards or patterns. When a certificate matches several
 * clients the first of the configuration is meant.
 */
export function decide(policy: Policy, identity: ClientIdentity | undefined, resource: Resource): Decision {
  const client = identity === undefined ? undefined : policy.find(({ match }) => matches(match, identity))
  if (client === undefined) return { kind: 'deny', reason: 'CLIENT_UNKNOWN' }
  switch (resource.kind) {
    case 'listed':
      return { kind: 'allow', client }
    case 'operation':
      return client.allow.includes(resource.operation) || resource.operation === 'whoami' ? { kind: 'allow', client } : { kind: 'deny', reason: 'OPERATION_DENIED', client }
    case 'root':
      return client.roots.includes(resource.root) ? { kind: 'allow', client } : { kind: 'deny', reason: 'PATH_OUTSIDE_ROOTS', client }
    case 'key':
      return client.keys.includes(resource.keyid) ? { kind: 'allow', client } : { kind: 'deny', reason: 'KEY_NOT_AVAILABLE', client }
    case 'digest':
      return client.digestOnly ? { kind: 'allow', client } : { kind: 'deny', reason: 'DIGEST_NOT_ALLOWED', client }
    case 'resign':
      return client.resign ? { kind: 'allow', client } : { kind: 'deny', reason: 'RESIGN_NOT_ALLOWED', client }
    case 'signaturesOf':
      return client.sees === 'all' || client.name === resource.client ? { kind: 'allow', client } : { kind: 'deny', reason: 'SIGNATURE_NOT_FOUND', client }
  }
}

function matches(match: ClientConfig['match'], identity: ClientIdentity): boolean {
  return 'san' in match ? identity.sans.includes(match.san) : match.spkiSha256 === identity.spkiSha256
}
