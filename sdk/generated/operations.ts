// Made from openapi.yaml by sdk/generate.ts. Do not edit: change the routes of the server, then `npm run generate`.

/** How each operation of the document is called, by its operationId. */
export const OPERATIONS = {
  sign: {
    method: "POST",
    path: "/sign",
    parameters: [],
    requestMediaTypes: ["application/json"],
    answerMediaTypes: ["application/json","application/x-ndjson"],
  },
  listFiles: {
    method: "GET",
    path: "/files",
    parameters: [{"name":"path","in":"query","required":false},{"name":"limit","in":"query","required":false},{"name":"cursor","in":"query","required":false}],
    requestMediaTypes: [],
    answerMediaTypes: ["application/json"],
  },
  getSignature: {
    method: "GET",
    path: "/signatures/{id}",
    parameters: [{"name":"id","in":"path","required":true}],
    requestMediaTypes: [],
    answerMediaTypes: ["application/json"],
  },
  listKeys: {
    method: "GET",
    path: "/keys",
    parameters: [],
    requestMediaTypes: [],
    answerMediaTypes: ["application/json"],
  },
  getKey: {
    method: "GET",
    path: "/keys/{keyid}",
    parameters: [{"name":"keyid","in":"path","required":true}],
    requestMediaTypes: [],
    answerMediaTypes: ["application/json"],
  },
  whoami: {
    method: "GET",
    path: "/whoami",
    parameters: [],
    requestMediaTypes: [],
    answerMediaTypes: ["application/json"],
  },
} as const
