import { Type, type Static } from 'typebox'
import { ERROR_CODES } from '../errors.ts'

export const ErrorCode = Type.Enum(ERROR_CODES, { $id: 'ErrorCode', type: 'string', description: 'Stable code; docs/errors.md explains each.' })

export const Problem = Type.Object(
  {
    type: Type.String({ description: '`urn:signing-server:problem:` and the code.' }),
    title: Type.String({ description: 'Fixed per code.' }),
    status: Type.Integer(),
    detail: Type.String({ description: 'What happened, as a sentence.' }),
    instance: Type.String({ description: '`urn:uuid:` and the request id, also in the Request-Id header.' }),
    code: Type.Unsafe<Static<typeof ErrorCode>>({ $ref: 'ErrorCode#' }),
    retryable: Type.Boolean({ description: 'Whether the same request may succeed later.' }),
    hint: Type.String({ description: 'What to do next.' }),
    errors: Type.Optional(
      Type.Array(
        Type.Object(
          { pointer: Type.String({ description: 'JSON Pointer (RFC 6901) to the member.' }), detail: Type.String() },
          { additionalProperties: false },
        ),
        { description: 'Every fault of the input.' },
      ),
    ),
  },
  { $id: 'Problem', additionalProperties: false, description: 'Problem details (RFC 9457).' },
)
export type Problem = Static<typeof Problem>
