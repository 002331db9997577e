import { Type, type Static } from 'typebox'

/** The receipt that the examples of the document show; nothing verifies it. */
export const exampleReceipt = {
  index: 1,
  entry: '{"at":"2026-11-24T09:15:00.000Z","client":"release-bot","kind":"signature"}',
  path: ['RDj2ItcFTCxTXNg9wLOvyFqk8Lj5LPcGYvg7FhTYkvA='],
  checkpoint: 'signing-server/log\n2\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\u2014 signing-server/log AAAAAQ==\n',
} as const

export const Receipt = Type.Object(
  {
    index: Type.Integer({ minimum: 0, description: 'Index of the leaf, from 0.' }),
    entry: Type.String({ description: 'The leaf itself: canonical JSON (RFC 8785), hashed as its UTF-8 bytes.' }),
    path: Type.Array(Type.String({ description: 'A SHA-256, standard base64.' }), { description: 'The inclusion proof (RFC 6962, section 2.1.1), from the sibling of the leaf upwards.' }),
    checkpoint: Type.String({ description: 'The signed state of the log that the path leads to: a signed note (C2SP tlog-checkpoint).' }),
  },
  { $id: 'Receipt', additionalProperties: false, description: 'Proves that the signature stands in the tamper-evident log; whoever has the key of the log checks it offline.', examples: [exampleReceipt] },
)
export type Receipt = Static<typeof Receipt>
