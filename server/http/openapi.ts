import { createRequire } from 'node:module'
import type { SwaggerOptions } from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import { stringify } from 'yaml'
import { FileEntry, FileKind, FileList } from '../schemas/files.ts'
import { Digest, DigestItem, Fileset } from '../schemas/digest.ts'
import { Format } from '../schemas/format.ts'
import { LogAudit, LogFinding } from '../schemas/log.ts'
import { Acceptance, AcceptedBy, Key, KeyForm, Keyid, KeyList, KeyState, SigningAlgorithm } from '../schemas/key.ts'
import { ErrorCode, Problem } from '../schemas/problem.ts'
import { Receipt } from '../schemas/receipt.ts'
import { BatchAnswer, BatchOutcome, SignAgainRequest, SignAnswer, SignBatchRequest, SignDigestRequest, SignEvent, SignPathRequest, SignRequest, SkipReason, Warning } from '../schemas/sign.ts'
import { KeyRevocation, Signature, SignatureRecord } from '../schemas/signature.ts'
import { FoundSignature, SignatureList } from '../schemas/signatures.ts'
import { ExportForm, GivenSignature, InvalidReason, SignatureForm, Verification, VerifyDigestRequest, VerifyPathRequest, VerifyRequest } from '../schemas/verify.ts'
import { ClientLimits, LeftOver, Operation, Whoami } from '../schemas/whoami.ts'

const { version } = createRequire(import.meta.url)('#package.json') as { version: string }

/** Every schema that is a named component of the document. */
export const COMPONENTS = [
  ErrorCode, Problem, Keyid, SigningAlgorithm, KeyForm, KeyState, Acceptance, AcceptedBy, Key, KeyList, Format, SignatureRecord, Receipt, KeyRevocation, Signature, FoundSignature, SignatureList, SkipReason, Warning, Digest, Fileset, DigestItem,
  SignPathRequest, SignDigestRequest, SignBatchRequest, SignAgainRequest, SignRequest, SignAnswer, BatchOutcome, BatchAnswer, SignEvent,
  SignatureForm, InvalidReason, GivenSignature, VerifyPathRequest, VerifyDigestRequest, VerifyRequest, Verification,
  ExportForm, LogFinding, LogAudit, FileKind, FileEntry, FileList, Operation, ClientLimits, LeftOver, Whoami,
] as const

/** The options of @fastify/swagger: what the routes do not say themselves. */
export const OPENAPI_OPTIONS = {
  openapi: {
    openapi: '3.1.0',
    info: {
      title: 'Signing server',
      version,
      summary: 'Signs AIX installp packages for build machines that must not hold the key.',
      description:
        'Every request needs a client certificate of the client CA that the configuration lists. Errors are problem details (RFC 9457) with a stable `code`. Every answer to a client with limits has `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11).',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [
      { url: '/', description: 'The server that this document came from.' },
      { url: 'https://localhost:6000', description: 'The service port: curl and the SDK. Port 6000 is a bad port of the fetch standard.' },
      { url: 'https://localhost:6443', description: 'The same service for browsers and fetch.' },
    ],
    tags: [
      { name: 'signing', description: 'Packages that the server can read.' },
      { name: 'catalogue', description: 'Signatures that were made, and the keys that made them.' },
      { name: 'log', description: 'The tamper-evident log of everything that was signed and refused (C2SP tlog-tiles).' },
      { name: 'client', description: 'The client itself.' },
    ],
    security: [{ clientCertificate: [] }],
    components: {
      // The plugin's types know OpenAPI 3.0 alone; mutualTLS came with 3.1.
      securitySchemes: { clientCertificate: { type: 'mutualTLS', description: 'TLS 1.3 with a client certificate.' } as never },
    },
  },
  refResolver: {
    buildLocalReference: ({ $id }) => $id as string,
  },
} satisfies SwaggerOptions

/** Returns the OpenAPI document as YAML text; the same app always gives the same bytes. */
export function openapiYaml(app: FastifyInstance): string {
  return stringify(app.swagger(), { lineWidth: 0, aliasDuplicateObjects: false })
}
