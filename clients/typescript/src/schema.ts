/**
 * Generated from the OpenAPI document of the service by `npm run client:generate`; not edited by hand.
 */
export interface paths {
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Prometheus metrics */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Prometheus text */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/plain": string;
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/batches": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Up to 1,000 images, answered by a job
         * @description The images are files of a form, or URLs in JSON, in lines of JSON, or in a table (CSV: url, name, and options of the task as in its query string). Answered at once by the job; see /v1/jobs/{id}.
         */
        post: {
            parameters: {
                query?: {
                    /** @description What is done with each image */
                    task?: "geolocate" | "embed" | "synthesize";
                };
                header?: {
                    /** @description A new name for each new request, such as a UUID. The same request again, under the same name and within a day, is not worked on twice but gets the same answer. */
                    "Idempotency-Key"?: string;
                };
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["BatchRequest"];
                    "application/jsonl": string;
                    "application/x-ndjson": string;
                    "multipart/form-data": {
                        image: Blob[];
                        /** @description Of the task, one object for each image, in their order */
                        imageOptions?: {
                            [key: string]: unknown;
                        }[];
                        /** @description Of the task, for every image */
                        options?: {
                            [key: string]: unknown;
                        };
                        /**
                         * @description What is done with each image
                         * @enum {string}
                         */
                        task: "geolocate" | "embed" | "synthesize";
                    };
                    "text/csv": string;
                };
            };
            responses: {
                /** @description The job */
                202: {
                    headers: {
                        /** @description `true` when this is the answer of an earlier request */
                        "Idempotency-Replayed"?: string;
                        /** @description Where the job is */
                        Location?: string;
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Job"];
                    };
                };
                /**
                 * @description MALFORMED_BODY: The body cannot be read
                 *
                 *     IDEMPOTENCY_KEY_INVALID: The Idempotency-Key cannot be used
                 */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description UPLOAD_TOO_SLOW: The body came too slowly */
                408: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description IDEMPOTENCY_IN_FLIGHT: The first request with this key is not answered yet */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description IMAGE_TOO_LARGE: The image is too large
                 *
                 *     BODY_TOO_LARGE: The body is too large
                 */
                413: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description UNSUPPORTED_MEDIA_TYPE: The content type is not supported */
                415: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description INVALID_REQUEST: The request is not valid
                 *
                 *     BATCH_TOO_LARGE: The request has too many images
                 *
                 *     IDEMPOTENCY_KEY_REUSED: The Idempotency-Key belongs to another request
                 */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description RATE_LIMITED: The key’s quota is used up
                 *
                 *     TOO_MANY_IN_FLIGHT: The key has too many requests in flight
                 */
                429: {
                    headers: {
                        /** @description `true` when this is the answer of an earlier request */
                        "Idempotency-Replayed"?: string;
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description OVERLOADED: The service is at its capacity
                 *
                 *     STORE_FAILED: The store is not available
                 *
                 *     DATABASE_FAILED: The database is not available
                 */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description DEADLINE_EXCEEDED: The answer took too long */
                504: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/coverage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Where photos can be located */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description GeoJSON */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/geo+json": components["schemas"]["Coverage"];
                    };
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description DATABASE_FAILED: The database is not available */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/embed": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Images to vectors of the space that both views share
         * @description A photo and the aerial tile it was taken on point the same way: compare by inner product. Up to 16 images a request.
         */
        post: {
            parameters: {
                query?: {
                    /** @description float: a list of numbers (default); base64: little-endian 32-bit floats */
                    encoding?: "float" | "base64";
                    fovDeg?: number;
                    headingDeg?: number;
                    /** @description ground: a photo or panorama; satellite: one north-up aerial tile */
                    view?: "ground" | "satellite";
                };
                header?: {
                    /** @description A new name for each new request, such as a UUID. The same request again, under the same name and within a day, is not worked on twice but gets the same answer. */
                    "Idempotency-Key"?: string;
                    /** @description respond-async: make it a job, whose place is told at once (202); respond-async, wait=n: only if it takes more than n seconds */
                    prefer?: string;
                };
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["EmbedRequest"];
                    "application/octet-stream": Blob;
                    "image/jpeg": Blob;
                    "image/png": Blob;
                    "image/webp": Blob;
                    "multipart/form-data": {
                        image: Blob[];
                        options: components["schemas"]["EmbedOptions"];
                    };
                };
            };
            responses: {
                /** @description The embeddings */
                200: {
                    headers: {
                        /** @description `true` when this is the answer of an earlier request */
                        "Idempotency-Replayed"?: string;
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["EmbedAnswer"];
                    };
                };
                /** @description The request was made a job, as it preferred; see /v1/jobs/{id} */
                202: {
                    headers: {
                        /** @description `true` when this is the answer of an earlier request */
                        "Idempotency-Replayed"?: string;
                        /** @description Where the job is */
                        Location?: string;
                        /** @description respond-async, and wait=n where it was asked for */
                        "Preference-Applied"?: string;
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Job"];
                    };
                };
                /**
                 * @description MALFORMED_BODY: The body cannot be read
                 *
                 *     IDEMPOTENCY_KEY_INVALID: The Idempotency-Key cannot be used
                 */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description UPLOAD_TOO_SLOW: The body came too slowly */
                408: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description IDEMPOTENCY_IN_FLIGHT: The first request with this key is not answered yet */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description IMAGE_TOO_LARGE: The image is too large
                 *
                 *     BODY_TOO_LARGE: The body is too large
                 */
                413: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description IMAGE_UNSUPPORTED: The image is of no supported kind
                 *
                 *     UNSUPPORTED_MEDIA_TYPE: The content type is not supported
                 */
                415: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description IMAGE_EMPTY: The image is empty
                 *
                 *     IMAGE_TRUNCATED: The image is cut off or damaged
                 *
                 *     IMAGE_TOO_SMALL: The image is too small
                 *
                 *     IMAGE_URL_REFUSED: The image URL is not fetched
                 *
                 *     IMAGE_URL_FAILED: The image URL could not be fetched
                 *
                 *     INVALID_REQUEST: The request is not valid
                 *
                 *     BATCH_TOO_LARGE: The request has too many images
                 *
                 *     IDEMPOTENCY_KEY_REUSED: The Idempotency-Key belongs to another request
                 */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description RATE_LIMITED: The key’s quota is used up
                 *
                 *     TOO_MANY_IN_FLIGHT: The key has too many requests in flight
                 */
                429: {
                    headers: {
                        /** @description `true` when this is the answer of an earlier request */
                        "Idempotency-Replayed"?: string;
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description INFERENCE_FAILED: The model failed */
                500: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description OVERLOADED: The service is at its capacity
                 *
                 *     INFERENCE_CRASHED: The inference process ended
                 *
                 *     MODEL_UNAVAILABLE: The model is not available
                 *
                 *     DATABASE_FAILED: The database is not available
                 */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description DEADLINE_EXCEEDED: The answer took too long */
                504: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/geolocate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Where was this photo taken?
         * @description Three ways to send the image: its bytes with options in the query string, multipart/form-data with `image` and `options` (JSON), or JSON.
         */
        post: {
            parameters: {
                query?: {
                    /** @description west,south,east,north; instead of a prior */
                    bbox?: string;
                    confidence?: number;
                    fovDeg?: number;
                    headingDeg?: number;
                    /** @description lon,lat,radiusM; instead of a prior */
                    near?: string;
                    /** @description Ids separated by commas */
                    regions?: string;
                    topK?: number;
                };
                header?: {
                    /** @description A new name for each new request, such as a UUID. The same request again, under the same name and within a day, is not worked on twice but gets the same answer. */
                    "Idempotency-Key"?: string;
                    /** @description respond-async: make it a job, whose place is told at once (202); respond-async, wait=n: only if it takes more than n seconds */
                    prefer?: string;
                };
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["GeolocateRequest"];
                    "application/octet-stream": Blob;
                    "image/jpeg": Blob;
                    "image/png": Blob;
                    "image/webp": Blob;
                    "multipart/form-data": {
                        /** Format: binary */
                        image: Blob;
                        options?: components["schemas"]["GeolocateOptions"];
                    };
                };
            };
            responses: {
                /** @description An answer, also when the place was not found */
                200: {
                    headers: {
                        /** @description `true` when this is the answer of an earlier request */
                        "Idempotency-Replayed"?: string;
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/geo+json": components["schemas"]["GeolocateFeatureCollection"];
                        "application/json": components["schemas"]["GeolocateAnswer"];
                    };
                };
                /** @description The request was made a job, as it preferred; see /v1/jobs/{id} */
                202: {
                    headers: {
                        /** @description `true` when this is the answer of an earlier request */
                        "Idempotency-Replayed"?: string;
                        /** @description Where the job is */
                        Location?: string;
                        /** @description respond-async, and wait=n where it was asked for */
                        "Preference-Applied"?: string;
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Job"];
                    };
                };
                /**
                 * @description MALFORMED_BODY: The body cannot be read
                 *
                 *     IDEMPOTENCY_KEY_INVALID: The Idempotency-Key cannot be used
                 */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description UPLOAD_TOO_SLOW: The body came too slowly */
                408: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description IDEMPOTENCY_IN_FLIGHT: The first request with this key is not answered yet */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description IMAGE_TOO_LARGE: The image is too large
                 *
                 *     BODY_TOO_LARGE: The body is too large
                 */
                413: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description IMAGE_UNSUPPORTED: The image is of no supported kind
                 *
                 *     UNSUPPORTED_MEDIA_TYPE: The content type is not supported
                 */
                415: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description IMAGE_EMPTY: The image is empty
                 *
                 *     IMAGE_TRUNCATED: The image is cut off or damaged
                 *
                 *     IMAGE_TOO_SMALL: The image is too small
                 *
                 *     IMAGE_URL_REFUSED: The image URL is not fetched
                 *
                 *     IMAGE_URL_FAILED: The image URL could not be fetched
                 *
                 *     INVALID_REQUEST: The request is not valid
                 *
                 *     UNKNOWN_REGION: There is no such region
                 *
                 *     IDEMPOTENCY_KEY_REUSED: The Idempotency-Key belongs to another request
                 */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description RATE_LIMITED: The key’s quota is used up
                 *
                 *     TOO_MANY_IN_FLIGHT: The key has too many requests in flight
                 */
                429: {
                    headers: {
                        /** @description `true` when this is the answer of an earlier request */
                        "Idempotency-Replayed"?: string;
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description INFERENCE_FAILED: The model failed */
                500: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description OVERLOADED: The service is at its capacity
                 *
                 *     INFERENCE_CRASHED: The inference process ended
                 *
                 *     MODEL_UNAVAILABLE: The model is not available
                 *
                 *     DATABASE_FAILED: The database is not available
                 */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description DEADLINE_EXCEEDED: The answer took too long */
                504: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/jobs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Your jobs, newest first */
        get: {
            parameters: {
                query?: {
                    /** @description Of `next` of the page before */
                    cursor?: string;
                    limit?: number;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description A page of jobs */
                200: {
                    headers: {
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["JobList"];
                    };
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description INVALID_REQUEST: The request is not valid */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description RATE_LIMITED: The key’s quota is used up
                 *
                 *     TOO_MANY_IN_FLIGHT: The key has too many requests in flight
                 */
                429: {
                    headers: {
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description DATABASE_FAILED: The database is not available */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/jobs/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How a job stands, and its result */
        get: {
            parameters: {
                query?: {
                    /** @description Of a batch: the first image to tell of */
                    from?: number;
                    /** @description Of a batch: images to tell of; 100 unless asked */
                    limit?: number;
                };
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The job */
                200: {
                    headers: {
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Job"];
                    };
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description NOT_FOUND: There is nothing here */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description INVALID_REQUEST: The request is not valid */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description RATE_LIMITED: The key’s quota is used up
                 *
                 *     TOO_MANY_IN_FLIGHT: The key has too many requests in flight
                 */
                429: {
                    headers: {
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description DATABASE_FAILED: The database is not available */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        /**
         * Cancel a job
         * @description What runs is stopped. Once more is as once. A job that has ended otherwise stays as it is, and says so with 409.
         */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The job, canceled */
                200: {
                    headers: {
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Job"];
                    };
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description NOT_FOUND: There is nothing here */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description JOB_ENDED: The job has ended already */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description RATE_LIMITED: The key’s quota is used up
                 *
                 *     TOO_MANY_IN_FLIGHT: The key has too many requests in flight
                 */
                429: {
                    headers: {
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description DATABASE_FAILED: The database is not available */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/jobs/{id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * What happens to a job, as it happens
         * @description Server-sent events: `start`, after each image `output` and `progress`, at last `completed`, after which the stream ends. While a view is made, `step` tells how far it is (`index`, `share`, and `step` of `of`); it is told once, under the id of the event before it. All else that has happened is told first; with `Last-Event-ID` only what came after that event.
         */
        get: {
            parameters: {
                query?: never;
                header?: {
                    /** @description An id of an event of this job */
                    "last-event-id"?: string;
                };
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Events */
                200: {
                    headers: {
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "text/event-stream": components["schemas"]["JobEvent"];
                    };
                };
                /** @description The job has ended, and its last event was the one that `Last-Event-ID` names */
                204: {
                    headers: {
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description NOT_FOUND: There is nothing here */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description INVALID_REQUEST: The request is not valid */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description RATE_LIMITED: The key’s quota is used up
                 *
                 *     TOO_MANY_IN_FLIGHT: The key has too many requests in flight
                 */
                429: {
                    headers: {
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description DATABASE_FAILED: The database is not available */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The keys of your tenant
         * @description Newest first, at most 1,000. The operator is shown those of every tenant, or of the one that is asked for.
         */
        get: {
            parameters: {
                query?: {
                    /** @description Whose key it is; what is stored belongs to a tenant */
                    tenant?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Keys, without their texts */
                200: {
                    headers: {
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Keys"];
                    };
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description INVALID_REQUEST: The request is not valid */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description RATE_LIMITED: The key’s quota is used up
                 *
                 *     TOO_MANY_IN_FLIGHT: The key has too many requests in flight
                 */
                429: {
                    headers: {
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description DATABASE_FAILED: The database is not available */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        /**
         * Make a key
         * @description The answer holds the key’s text, which is not stored: keep it.
         */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /** @description A new name for each new request, such as a UUID. The same request again, under the same name and within a day, is not worked on twice but gets the same answer. */
                    "Idempotency-Key"?: string;
                };
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewKey"];
                };
            };
            responses: {
                /** @description Made */
                201: {
                    headers: {
                        /** @description `true` when this is the answer of an earlier request */
                        "Idempotency-Replayed"?: string;
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["CreatedKey"];
                    };
                };
                /**
                 * @description MALFORMED_BODY: The body cannot be read
                 *
                 *     IDEMPOTENCY_KEY_INVALID: The Idempotency-Key cannot be used
                 */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description IDEMPOTENCY_IN_FLIGHT: The first request with this key is not answered yet */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description BODY_TOO_LARGE: The body is too large */
                413: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description UNSUPPORTED_MEDIA_TYPE: The content type is not supported */
                415: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description INVALID_REQUEST: The request is not valid
                 *
                 *     IDEMPOTENCY_KEY_REUSED: The Idempotency-Key belongs to another request
                 */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description RATE_LIMITED: The key’s quota is used up
                 *
                 *     TOO_MANY_IN_FLIGHT: The key has too many requests in flight
                 */
                429: {
                    headers: {
                        /** @description `true` when this is the answer of an earlier request */
                        "Idempotency-Replayed"?: string;
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description OVERLOADED: The service is at its capacity
                 *
                 *     DATABASE_FAILED: The database is not available
                 */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/keys/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One key */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The key, without its text */
                200: {
                    headers: {
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Key"];
                    };
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description NOT_FOUND: There is nothing here */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description RATE_LIMITED: The key’s quota is used up
                 *
                 *     TOO_MANY_IN_FLIGHT: The key has too many requests in flight
                 */
                429: {
                    headers: {
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description DATABASE_FAILED: The database is not available */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        /**
         * Revoke a key
         * @description It is refused from now on, and stays in the list. To revoke a key again changes nothing.
         */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Revoked */
                200: {
                    headers: {
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Key"];
                    };
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description NOT_FOUND: There is nothing here */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description RATE_LIMITED: The key’s quota is used up
                 *
                 *     TOO_MANY_IN_FLIGHT: The key has too many requests in flight
                 */
                429: {
                    headers: {
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description DATABASE_FAILED: The database is not available */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/previews/ground": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The street as it may look at a covered place
         * @description Redirects to an address that holds everything the picture depends on, and may be kept for ever. Places are rounded to 0.00001 degrees, heading and field of view to whole degrees.
         */
        get: {
            parameters: {
                query: {
                    fov?: number;
                    heading?: number;
                    lat: number;
                    lon: number;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Where the picture is */
                307: {
                    headers: {
                        /** @description Of the picture */
                        Location?: string;
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description NOT_FOUND: There is nothing here */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description INVALID_REQUEST: The request is not valid */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description RATE_LIMITED: The key’s quota is used up
                 *
                 *     TOO_MANY_IN_FLIGHT: The key has too many requests in flight
                 */
                429: {
                    headers: {
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description INFERENCE_FAILED: The model failed */
                500: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description NO_SYNTHESIS: The served model makes no views */
                501: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description OVERLOADED: The service is at its capacity
                 *
                 *     INFERENCE_CRASHED: The inference process ended
                 *
                 *     MODEL_UNAVAILABLE: The model is not available
                 *
                 *     DATABASE_FAILED: The database is not available
                 */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description DEADLINE_EXCEEDED: The answer took too long */
                504: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/previews/ground/{model}/{region}/{view}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * A street preview that never changes
         * @description Its address comes from `/v1/previews/ground`. The picture is marked as synthetic (XMP).
         */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    model: string;
                    region: string;
                    /** @description lon,lat,heading,fov */
                    view: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The picture */
                200: {
                    headers: {
                        /** @description Of its bytes */
                        ETag?: string;
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "image/webp": Blob;
                    };
                };
                /** @description Unchanged */
                304: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description NOT_FOUND: There is nothing here */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description INVALID_REQUEST: The request is not valid */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description RATE_LIMITED: The key’s quota is used up
                 *
                 *     TOO_MANY_IN_FLIGHT: The key has too many requests in flight
                 */
                429: {
                    headers: {
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description INFERENCE_FAILED: The model failed */
                500: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description NO_SYNTHESIS: The served model makes no views */
                501: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description OVERLOADED: The service is at its capacity
                 *
                 *     INFERENCE_CRASHED: The inference process ended
                 *
                 *     MODEL_UNAVAILABLE: The model is not available
                 *
                 *     DATABASE_FAILED: The database is not available
                 */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description DEADLINE_EXCEEDED: The answer took too long */
                504: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/regions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The regions in use */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description By id */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Regions"];
                    };
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description DATABASE_FAILED: The database is not available */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/regions/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One region */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The region */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["RegionDetail"];
                    };
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description NOT_FOUND: There is nothing here */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description DATABASE_FAILED: The database is not available */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/regions/{id}/imagery/{z}/{x}/{y}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A tile of a region’s imagery for web maps */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                    x: number;
                    y: number;
                    z: number;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Web Mercator tile */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "image/jpeg": Blob;
                        "image/webp": Blob;
                    };
                };
                /** @description No imagery at this tile */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description Unchanged */
                304: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description NOT_FOUND: There is nothing here */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description DATABASE_FAILED: The database is not available */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/synthesize": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * The other view of a place: from above what a photo shows, from the street what imagery shows
         * @description Of an image, in the three ways of geolocate, or of a covered `location` (JSON). `Accept: image/webp`, `image/png` or `image/jpeg` gives the picture itself. Every picture is marked as synthetic.
         */
        post: {
            parameters: {
                query?: {
                    /** @description Which view is given, and which is made of it */
                    direction?: "ground_to_satellite" | "satellite_to_ground";
                    /** @description Of the picture in a JSON answer; webp unless asked */
                    format?: "webp" | "png" | "jpeg";
                    fovDeg?: number;
                    groundSizeM?: number;
                    headingDeg?: number;
                    /** @description How the flow is followed; dopri5 chooses its steps itself. The model’s own unless asked */
                    solver?: "euler" | "heun" | "rk4" | "dopri5";
                    steps?: number;
                    widthPx?: number;
                };
                header?: {
                    /** @description A new name for each new request, such as a UUID. The same request again, under the same name and within a day, is not worked on twice but gets the same answer. */
                    "Idempotency-Key"?: string;
                    /** @description respond-async: make it a job, whose place is told at once (202); respond-async, wait=n: only if it takes more than n seconds */
                    prefer?: string;
                };
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["SynthesizeRequest"];
                    "application/octet-stream": Blob;
                    "image/jpeg": Blob;
                    "image/png": Blob;
                    "image/webp": Blob;
                    "multipart/form-data": {
                        /** Format: binary */
                        image: Blob;
                        options: components["schemas"]["SynthesizeOptions"];
                    };
                };
            };
            responses: {
                /** @description The picture */
                200: {
                    headers: {
                        /** @description `true` when this is the answer of an earlier request */
                        "Idempotency-Replayed"?: string;
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SynthesizeAnswer"];
                        "image/jpeg": Blob;
                        "image/png": Blob;
                        "image/webp": Blob;
                    };
                };
                /** @description The request was made a job, as it preferred; see /v1/jobs/{id} */
                202: {
                    headers: {
                        /** @description `true` when this is the answer of an earlier request */
                        "Idempotency-Replayed"?: string;
                        /** @description Where the job is */
                        Location?: string;
                        /** @description respond-async, and wait=n where it was asked for */
                        "Preference-Applied"?: string;
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Job"];
                    };
                };
                /**
                 * @description MALFORMED_BODY: The body cannot be read
                 *
                 *     IDEMPOTENCY_KEY_INVALID: The Idempotency-Key cannot be used
                 */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description UPLOAD_TOO_SLOW: The body came too slowly */
                408: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description IDEMPOTENCY_IN_FLIGHT: The first request with this key is not answered yet */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description IMAGE_TOO_LARGE: The image is too large
                 *
                 *     BODY_TOO_LARGE: The body is too large
                 */
                413: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description IMAGE_UNSUPPORTED: The image is of no supported kind
                 *
                 *     UNSUPPORTED_MEDIA_TYPE: The content type is not supported
                 */
                415: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description IMAGE_EMPTY: The image is empty
                 *
                 *     IMAGE_TRUNCATED: The image is cut off or damaged
                 *
                 *     IMAGE_TOO_SMALL: The image is too small
                 *
                 *     IMAGE_URL_REFUSED: The image URL is not fetched
                 *
                 *     IMAGE_URL_FAILED: The image URL could not be fetched
                 *
                 *     INVALID_REQUEST: The request is not valid
                 *
                 *     OUT_OF_COVERAGE: No region covers the place
                 *
                 *     IDEMPOTENCY_KEY_REUSED: The Idempotency-Key belongs to another request
                 */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description RATE_LIMITED: The key’s quota is used up
                 *
                 *     TOO_MANY_IN_FLIGHT: The key has too many requests in flight
                 */
                429: {
                    headers: {
                        /** @description `true` when this is the answer of an earlier request */
                        "Idempotency-Replayed"?: string;
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description INFERENCE_FAILED: The model failed */
                500: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description NO_SYNTHESIS: The served model makes no views */
                501: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description OVERLOADED: The service is at its capacity
                 *
                 *     INFERENCE_CRASHED: The inference process ended
                 *
                 *     MODEL_UNAVAILABLE: The model is not available
                 *
                 *     DATABASE_FAILED: The database is not available
                 */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description DEADLINE_EXCEEDED: The answer took too long */
                504: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/webhooks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Your webhooks */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Oldest first */
                200: {
                    headers: {
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Webhooks"];
                    };
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description RATE_LIMITED: The key’s quota is used up
                 *
                 *     TOO_MANY_IN_FLIGHT: The key has too many requests in flight
                 */
                429: {
                    headers: {
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description DATABASE_FAILED: The database is not available
                 *
                 *     DATABASE_FAILED: The database is not available
                 */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        /**
         * Be told of events
         * @description The answer holds the secret that attempts are signed with. It is told once: keep it.
         */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /** @description A new name for each new request, such as a UUID. The same request again, under the same name and within a day, is not worked on twice but gets the same answer. */
                    "Idempotency-Key"?: string;
                };
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewWebhook"];
                };
            };
            responses: {
                /** @description Made */
                201: {
                    headers: {
                        /** @description `true` when this is the answer of an earlier request */
                        "Idempotency-Replayed"?: string;
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["CreatedWebhook"];
                    };
                };
                /**
                 * @description MALFORMED_BODY: The body cannot be read
                 *
                 *     IDEMPOTENCY_KEY_INVALID: The Idempotency-Key cannot be used
                 */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description WEBHOOK_LIMIT: There are too many webhooks
                 *
                 *     IDEMPOTENCY_IN_FLIGHT: The first request with this key is not answered yet
                 */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description BODY_TOO_LARGE: The body is too large */
                413: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description UNSUPPORTED_MEDIA_TYPE: The content type is not supported */
                415: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description INVALID_REQUEST: The request is not valid
                 *
                 *     WEBHOOK_URL_REFUSED: The webhook URL is not accepted
                 *
                 *     IDEMPOTENCY_KEY_REUSED: The Idempotency-Key belongs to another request
                 */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description RATE_LIMITED: The key’s quota is used up
                 *
                 *     TOO_MANY_IN_FLIGHT: The key has too many requests in flight
                 */
                429: {
                    headers: {
                        /** @description `true` when this is the answer of an earlier request */
                        "Idempotency-Replayed"?: string;
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description OVERLOADED: The service is at its capacity
                 *
                 *     DATABASE_FAILED: The database is not available
                 *
                 *     DATABASE_FAILED: The database is not available
                 */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/webhooks/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One webhook */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The webhook, without its secret */
                200: {
                    headers: {
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Webhook"];
                    };
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description NOT_FOUND: There is nothing here */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description RATE_LIMITED: The key’s quota is used up
                 *
                 *     TOO_MANY_IN_FLIGHT: The key has too many requests in flight
                 */
                429: {
                    headers: {
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description DATABASE_FAILED: The database is not available
                 *
                 *     DATABASE_FAILED: The database is not available
                 */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        /**
         * Be told no more
         * @description Its deliveries and their log go with it.
         */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Deleted */
                204: {
                    headers: {
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description NOT_FOUND: There is nothing here */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description RATE_LIMITED: The key’s quota is used up
                 *
                 *     TOO_MANY_IN_FLIGHT: The key has too many requests in flight
                 */
                429: {
                    headers: {
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description DATABASE_FAILED: The database is not available
                 *
                 *     DATABASE_FAILED: The database is not available
                 */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/webhooks/{id}/deliveries": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What was sent, and what became of it */
        get: {
            parameters: {
                query?: {
                    after?: string;
                    limit?: number;
                    status?: "pending" | "succeeded" | "failed";
                };
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Newest first */
                200: {
                    headers: {
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["WebhookDeliveries"];
                    };
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description NOT_FOUND: There is nothing here */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description INVALID_REQUEST: The request is not valid */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description RATE_LIMITED: The key’s quota is used up
                 *
                 *     TOO_MANY_IN_FLIGHT: The key has too many requests in flight
                 */
                429: {
                    headers: {
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description DATABASE_FAILED: The database is not available
                 *
                 *     DATABASE_FAILED: The database is not available
                 */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/webhooks/{id}/deliveries/{deliveryId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One delivery */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    deliveryId: string;
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The delivery */
                200: {
                    headers: {
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["WebhookDelivery"];
                    };
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description NOT_FOUND: There is nothing here */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description RATE_LIMITED: The key’s quota is used up
                 *
                 *     TOO_MANY_IN_FLIGHT: The key has too many requests in flight
                 */
                429: {
                    headers: {
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description DATABASE_FAILED: The database is not available
                 *
                 *     DATABASE_FAILED: The database is not available
                 */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/webhooks/{id}/deliveries/{deliveryId}/resend": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send a delivery again
         * @description Now, with the same webhook-id, whether it failed or succeeded; if it fails, the schedule begins anew.
         */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /** @description A new name for each new request, such as a UUID. The same request again, under the same name and within a day, is not worked on twice but gets the same answer. */
                    "Idempotency-Key"?: string;
                };
                path: {
                    deliveryId: string;
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The delivery */
                202: {
                    headers: {
                        /** @description `true` when this is the answer of an earlier request */
                        "Idempotency-Replayed"?: string;
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["WebhookDelivery"];
                    };
                };
                /**
                 * @description MALFORMED_BODY: The body cannot be read
                 *
                 *     IDEMPOTENCY_KEY_INVALID: The Idempotency-Key cannot be used
                 */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description NOT_FOUND: There is nothing here */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description WEBHOOK_DISABLED: The webhook is disabled
                 *
                 *     IDEMPOTENCY_IN_FLIGHT: The first request with this key is not answered yet
                 */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description BODY_TOO_LARGE: The body is too large */
                413: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description UNSUPPORTED_MEDIA_TYPE: The content type is not supported */
                415: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description INVALID_REQUEST: The request is not valid
                 *
                 *     IDEMPOTENCY_KEY_REUSED: The Idempotency-Key belongs to another request
                 */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description RATE_LIMITED: The key’s quota is used up
                 *
                 *     TOO_MANY_IN_FLIGHT: The key has too many requests in flight
                 */
                429: {
                    headers: {
                        /** @description `true` when this is the answer of an earlier request */
                        "Idempotency-Replayed"?: string;
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description OVERLOADED: The service is at its capacity
                 *
                 *     DATABASE_FAILED: The database is not available
                 *
                 *     DATABASE_FAILED: The database is not available
                 */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/webhooks/{id}/enable": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send to a disabled webhook again
         * @description What failed meanwhile is not sent by itself: see recover.
         */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /** @description A new name for each new request, such as a UUID. The same request again, under the same name and within a day, is not worked on twice but gets the same answer. */
                    "Idempotency-Key"?: string;
                };
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Enabled */
                200: {
                    headers: {
                        /** @description `true` when this is the answer of an earlier request */
                        "Idempotency-Replayed"?: string;
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Webhook"];
                    };
                };
                /**
                 * @description MALFORMED_BODY: The body cannot be read
                 *
                 *     IDEMPOTENCY_KEY_INVALID: The Idempotency-Key cannot be used
                 */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description NOT_FOUND: There is nothing here */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description IDEMPOTENCY_IN_FLIGHT: The first request with this key is not answered yet */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description BODY_TOO_LARGE: The body is too large */
                413: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description UNSUPPORTED_MEDIA_TYPE: The content type is not supported */
                415: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description INVALID_REQUEST: The request is not valid
                 *
                 *     IDEMPOTENCY_KEY_REUSED: The Idempotency-Key belongs to another request
                 */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description RATE_LIMITED: The key’s quota is used up
                 *
                 *     TOO_MANY_IN_FLIGHT: The key has too many requests in flight
                 */
                429: {
                    headers: {
                        /** @description `true` when this is the answer of an earlier request */
                        "Idempotency-Replayed"?: string;
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description OVERLOADED: The service is at its capacity
                 *
                 *     DATABASE_FAILED: The database is not available
                 *
                 *     DATABASE_FAILED: The database is not available
                 */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/webhooks/{id}/recover": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Send all that failed since a time again */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /** @description A new name for each new request, such as a UUID. The same request again, under the same name and within a day, is not worked on twice but gets the same answer. */
                    "Idempotency-Key"?: string;
                };
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["WebhookRecovery"];
                };
            };
            responses: {
                /** @description How many they are */
                202: {
                    headers: {
                        /** @description `true` when this is the answer of an earlier request */
                        "Idempotency-Replayed"?: string;
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["WebhookRecovered"];
                    };
                };
                /**
                 * @description MALFORMED_BODY: The body cannot be read
                 *
                 *     IDEMPOTENCY_KEY_INVALID: The Idempotency-Key cannot be used
                 */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description NOT_FOUND: There is nothing here */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description WEBHOOK_DISABLED: The webhook is disabled
                 *
                 *     IDEMPOTENCY_IN_FLIGHT: The first request with this key is not answered yet
                 */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description BODY_TOO_LARGE: The body is too large */
                413: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description UNSUPPORTED_MEDIA_TYPE: The content type is not supported */
                415: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description INVALID_REQUEST: The request is not valid
                 *
                 *     IDEMPOTENCY_KEY_REUSED: The Idempotency-Key belongs to another request
                 */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description RATE_LIMITED: The key’s quota is used up
                 *
                 *     TOO_MANY_IN_FLIGHT: The key has too many requests in flight
                 */
                429: {
                    headers: {
                        /** @description `true` when this is the answer of an earlier request */
                        "Idempotency-Replayed"?: string;
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description OVERLOADED: The service is at its capacity
                 *
                 *     DATABASE_FAILED: The database is not available
                 *
                 *     DATABASE_FAILED: The database is not available
                 */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/webhooks/{id}/rotate-secret": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Get a new secret
         * @description The old one stays valid for a while: until then each attempt has two signatures, and verifies with either.
         */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /** @description A new name for each new request, such as a UUID. The same request again, under the same name and within a day, is not worked on twice but gets the same answer. */
                    "Idempotency-Key"?: string;
                };
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: {
                content: {
                    "application/json": components["schemas"]["SecretRotation"];
                };
            };
            responses: {
                /** @description The new secret */
                200: {
                    headers: {
                        /** @description `true` when this is the answer of an earlier request */
                        "Idempotency-Replayed"?: string;
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["RotatedSecret"];
                    };
                };
                /**
                 * @description MALFORMED_BODY: The body cannot be read
                 *
                 *     IDEMPOTENCY_KEY_INVALID: The Idempotency-Key cannot be used
                 */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description NOT_FOUND: There is nothing here */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description IDEMPOTENCY_IN_FLIGHT: The first request with this key is not answered yet */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description BODY_TOO_LARGE: The body is too large */
                413: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description UNSUPPORTED_MEDIA_TYPE: The content type is not supported */
                415: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description INVALID_REQUEST: The request is not valid
                 *
                 *     IDEMPOTENCY_KEY_REUSED: The Idempotency-Key belongs to another request
                 */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description RATE_LIMITED: The key’s quota is used up
                 *
                 *     TOO_MANY_IN_FLIGHT: The key has too many requests in flight
                 */
                429: {
                    headers: {
                        /** @description `true` when this is the answer of an earlier request */
                        "Idempotency-Replayed"?: string;
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description OVERLOADED: The service is at its capacity
                 *
                 *     DATABASE_FAILED: The database is not available
                 *
                 *     DATABASE_FAILED: The database is not available
                 */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/webhooks/{id}/test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send a test event
         * @description An event of the type webhook.test, to this webhook only, whatever it subscribed to.
         */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /** @description A new name for each new request, such as a UUID. The same request again, under the same name and within a day, is not worked on twice but gets the same answer. */
                    "Idempotency-Key"?: string;
                };
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Its delivery */
                202: {
                    headers: {
                        /** @description `true` when this is the answer of an earlier request */
                        "Idempotency-Replayed"?: string;
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["WebhookDelivery"];
                    };
                };
                /**
                 * @description MALFORMED_BODY: The body cannot be read
                 *
                 *     IDEMPOTENCY_KEY_INVALID: The Idempotency-Key cannot be used
                 */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description KEY_REQUIRED: The request needs a key
                 *
                 *     KEY_INVALID: The key is not valid
                 *
                 *     KEY_EXPIRED: The key has expired
                 *
                 *     KEY_REVOKED: The key was revoked
                 */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description SCOPE_REQUIRED: The key may not do this */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description NOT_FOUND: There is nothing here */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description WEBHOOK_DISABLED: The webhook is disabled
                 *
                 *     IDEMPOTENCY_IN_FLIGHT: The first request with this key is not answered yet
                 */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description BODY_TOO_LARGE: The body is too large */
                413: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description UNSUPPORTED_MEDIA_TYPE: The content type is not supported */
                415: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description INVALID_REQUEST: The request is not valid
                 *
                 *     IDEMPOTENCY_KEY_REUSED: The Idempotency-Key belongs to another request
                 */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description RATE_LIMITED: The key’s quota is used up
                 *
                 *     TOO_MANY_IN_FLIGHT: The key has too many requests in flight
                 */
                429: {
                    headers: {
                        /** @description `true` when this is the answer of an earlier request */
                        "Idempotency-Replayed"?: string;
                        /** @description What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s */
                        RateLimit?: string;
                        /** @description The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s */
                        "RateLimit-Policy"?: string;
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /**
                 * @description OVERLOADED: The service is at its capacity
                 *
                 *     DATABASE_FAILED: The database is not available
                 *
                 *     DATABASE_FAILED: The database is not available
                 */
                503: {
                    headers: {
                        /** @description Seconds until another try makes sense */
                        "Retry-After"?: number;
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v2/health/live": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The process answers */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Alive */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": {
                            /** @enum {boolean} */
                            live: true;
                        };
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v2/health/ready": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Requests can be served
         * @description The model is warm and passed its golden check, and a region is loaded. A region that failed to load is listed with its reason, and so is one whose published version cannot be served: the one before is.
         */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Ready */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Ready"];
                    };
                };
                /** @description Not ready */
                503: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Ready"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v2/models/{name}/ready": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The model can be used */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    name: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Ready */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ModelReady"];
                    };
                };
                /** @description NOT_FOUND: There is nothing here */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/problem+json": components["schemas"]["Problem"];
                    };
                };
                /** @description Not ready */
                503: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ModelReady"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description Any option of the task may stand beside, for this image */
        BatchImage: {
            /** @description Told with the image’s result; any text */
            name?: string;
            /**
             * Format: uri
             * @description http or https, at a public address; redirects are not followed
             */
            url: string;
        } & {
            [key: string]: unknown;
        };
        /**
         * @example {
         *       "task": "geolocate",
         *       "options": {
         *         "topK": 3
         *       },
         *       "images": [
         *         {
         *           "url": "https://example.org/a.jpg",
         *           "name": "a",
         *           "headingDeg": 137
         *         },
         *         {
         *           "url": "https://example.org/b.jpg",
         *           "prior": {
         *             "type": "circle",
         *             "center": [
         *               0.004,
         *               -0.002
         *             ],
         *             "radiusM": 300
         *           }
         *         }
         *       ]
         *     }
         */
        BatchRequest: {
            images: components["schemas"]["BatchImage"][];
            /** @description Of the task, for every image */
            options?: {
                [key: string]: unknown;
            };
            /**
             * @description What is done with each image
             * @enum {string}
             */
            task: "geolocate" | "embed" | "synthesize";
        };
        /** @description In the order of the images */
        BatchResult: {
            items: components["schemas"]["JobItem"][];
            /** @description Where the next items are; left out with the last */
            next?: string;
        };
        BboxPrior: {
            /**
             * @description [west, south, east, north] in degrees; west > east crosses the antimeridian
             * @example [
             *       -0.01,
             *       -0.01,
             *       0.01,
             *       0.01
             *     ]
             */
            bbox: number[];
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "bbox";
        };
        Candidate: {
            /**
             * @description [west, south, east, north] in degrees; west > east crosses the antimeridian
             * @example [
             *       -0.01,
             *       -0.01,
             *       0.01,
             *       0.01
             *     ]
             */
            bounds: number[];
            headingDeg?: number;
            location: components["schemas"]["Point"] & unknown;
            probability: number;
            rank: number;
            regionId: string;
            similarity: number;
            tileId: string;
        };
        CirclePrior: {
            /**
             * @example [
             *       0.004,
             *       -0.002
             *     ]
             */
            center: number[];
            radiusM: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "circle";
        };
        /** @description GeoJSON: one feature a region, the ground that its tiles cover */
        Coverage: {
            features: {
                /**
                 * @description [west, south, east, north] in degrees; west > east crosses the antimeridian
                 * @example [
                 *       -0.01,
                 *       -0.01,
                 *       0.01,
                 *       0.01
                 *     ]
                 */
                bbox: number[];
                geometry: {
                    coordinates: unknown[];
                    /** @enum {string} */
                    type: "MultiPolygon";
                };
                id: string;
                properties: {
                    attribution: string;
                    id: string;
                    metresPerTile: number;
                    tileCount: number;
                    version: string;
                };
                /** @enum {string} */
                type: "Feature";
            }[];
            /** @enum {string} */
            type: "FeatureCollection";
        };
        CreatedKey: components["schemas"]["Key"] & {
            /** @description The key’s text: told now, and never again */
            key: string;
        };
        CreatedWebhook: components["schemas"]["Webhook"] & {
            /**
             * @description What signatures are checked with: told now, and never again
             * @example whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDdPzT3b0Ci9Q=
             */
            secret: string;
        };
        EmbedAnswer: {
            /**
             * @description float: a list of numbers (default); base64: little-endian 32-bit floats
             * @enum {string}
             */
            encoding: "float" | "base64";
            /** @description One for each image, in their order */
            items: {
                /** @description Unit length, in the encoding asked for */
                embedding: number[] | string;
                headingDeg?: number;
                reasons: string[];
            }[];
            model: components["schemas"]["ModelName"];
            requestId: string;
            timingMs: {
                decode: number;
                inference: number;
                queue: number;
                total: number;
            };
            /**
             * @description ground: a photo or panorama; satellite: one north-up aerial tile
             * @enum {string}
             */
            view: "ground" | "satellite";
            /** @description Floats of one embedding */
            width: number;
        };
        /** @description headingDeg and fovDeg override those of the request */
        EmbedImage: {
            /**
             * Format: byte
             * @description The file’s bytes, base64
             */
            base64?: string;
            /** @description Horizontal field of view in degrees; beyond 150 a panorama */
            fovDeg?: number;
            /** @description Azimuth of the image’s middle, degrees clockwise from north */
            headingDeg?: number;
            /**
             * Format: uri
             * @description http or https, at a public address; redirects are not followed
             */
            url?: string;
        } & (unknown | unknown);
        /**
         * @description headingDeg and fovDeg hold for every image, and only in the ground view
         * @example {
         *       "view": "ground"
         *     }
         */
        EmbedOptions: {
            /**
             * @description float: a list of numbers (default); base64: little-endian 32-bit floats
             * @enum {string}
             */
            encoding?: "float" | "base64";
            /** @description Horizontal field of view in degrees; beyond 150 a panorama */
            fovDeg?: number;
            /** @description Azimuth of the image’s middle, degrees clockwise from north */
            headingDeg?: number;
            /**
             * @description ground: a photo or panorama; satellite: one north-up aerial tile
             * @enum {string}
             */
            view: "ground" | "satellite";
        };
        /**
         * @example {
         *       "view": "satellite",
         *       "image": {
         *         "url": "https://example.org/tile.jpg"
         *       }
         *     }
         */
        EmbedRequest: {
            /**
             * @description float: a list of numbers (default); base64: little-endian 32-bit floats
             * @enum {string}
             */
            encoding?: "float" | "base64";
            /** @description Horizontal field of view in degrees; beyond 150 a panorama */
            fovDeg?: number;
            /** @description Azimuth of the image’s middle, degrees clockwise from north */
            headingDeg?: number;
            image?: components["schemas"]["EmbedImage"];
            images?: components["schemas"]["EmbedImage"][];
            /**
             * @description ground: a photo or panorama; satellite: one north-up aerial tile
             * @enum {string}
             */
            view: "ground" | "satellite";
        } & (unknown | unknown);
        GeolocateAnswer: {
            /** @description The truth lies within radiusM metres with this probability */
            accuracy?: {
                confidence: number;
                radiusM: number;
            };
            candidates: components["schemas"]["Candidate"][];
            heading?: {
                accuracyDeg: number;
                deg: number;
            };
            location?: components["schemas"]["Point"];
            model: components["schemas"]["ModelName"];
            probability: number;
            /** @description Why the answer deserves less trust: blurry, dark, overexposed, narrow_fov, sky_or_ground_only, default_calibration, … */
            reasons: string[];
            region?: {
                attribution: string;
                capturedAt: {
                    end: string;
                    start: string;
                } | null;
                id: string;
                version: string;
            };
            requestId: string;
            /**
             * @description matched: this place; ambiguous: several places hold the probability; no_match: none of the searched places; out_of_coverage: no region where the prior points
             * @enum {string}
             */
            status: "matched" | "ambiguous" | "no_match" | "out_of_coverage";
            timingMs: {
                decode: number;
                inference: number;
                queue: number;
                search: number;
                total: number;
            };
        };
        /** @description The answer’s members beside `features`: the location, the accuracy circle and the candidates */
        GeolocateFeatureCollection: {
            features: {
                [key: string]: unknown;
            }[];
            /** @enum {string} */
            type: "FeatureCollection";
        };
        /**
         * @description Everything is optional; an unknown option is refused
         * @example {
         *       "topK": 5
         *     }
         */
        GeolocateOptions: {
            /** @description Probability with which the accuracy radius holds the truth; 0.68 unless asked */
            confidence?: number;
            /** @description Horizontal field of view in degrees; beyond 150 a panorama */
            fovDeg?: number;
            /** @description Azimuth of the image’s middle, degrees clockwise from north */
            headingDeg?: number;
            prior?: components["schemas"]["Prior"];
            /** @description Search only these regions */
            regions?: string[];
            /** @description Candidates to list; 5 unless asked */
            topK?: number;
        };
        /**
         * @description The options stand beside the image, or together in `options`
         * @example {
         *       "image": {
         *         "url": "https://example.org/photo.jpg"
         *       },
         *       "prior": {
         *         "type": "circle",
         *         "center": [
         *           0.004,
         *           -0.002
         *         ],
         *         "radiusM": 300
         *       }
         *     }
         */
        GeolocateRequest: {
            /** @description Probability with which the accuracy radius holds the truth; 0.68 unless asked */
            confidence?: number;
            /** @description Horizontal field of view in degrees; beyond 150 a panorama */
            fovDeg?: number;
            /** @description Azimuth of the image’s middle, degrees clockwise from north */
            headingDeg?: number;
            image: components["schemas"]["ImageReference"];
            prior?: components["schemas"]["Prior"];
            /** @description Search only these regions */
            regions?: string[];
            /** @description Candidates to list; 5 unless asked */
            topK?: number;
        };
        ImageReference: {
            /**
             * Format: byte
             * @description The file’s bytes, base64
             */
            base64?: string;
            /**
             * Format: uri
             * @description http or https, at a public address; redirects are not followed
             */
            url?: string;
        } & (unknown | unknown);
        Job: {
            /** Format: date-time */
            createdAt: string;
            error?: components["schemas"]["JobError"] & unknown;
            /**
             * Format: date-time
             * @description While it is not final: when it is given up. Then: when it is deleted with its results
             */
            expiresAt: string;
            /** Format: date-time */
            finishedAt?: string;
            /**
             * @description single: one request, answered later; batch: many images
             * @enum {string}
             */
            form: "single" | "batch";
            /** @example job_mzxw6ytboi2dsnrqgezdgnbvgy */
            id: string;
            /** @description Images: with a result, with an error, altogether */
            progress: {
                completed: number;
                failed: number;
                total: number;
            };
            /** @description single: the answer that the route gives; batch: what there is of each image, as soon as it is */
            result?: components["schemas"]["BatchResult"] | {
                [key: string]: unknown;
            };
            /** Format: date-time */
            startedAt?: string;
            /**
             * @description succeeded: at least one image has a result; failed: none has; expired: its time ran out. These and canceled are final
             * @enum {string}
             */
            status: "queued" | "processing" | "succeeded" | "failed" | "canceled" | "expired";
            /** @enum {string} */
            task: "geolocate" | "embed" | "synthesize";
        };
        /** @description As in a problem */
        JobError: {
            code: string;
            detail: string;
            /** @description Whether the same request may succeed later */
            retryable: boolean;
            title: string;
        };
        /** @description One event of the stream */
        JobEvent: {
            /** @description JSON */
            data: string;
            /** @example progress */
            event: string;
            /** @description For `Last-Event-ID` */
            id: string;
        };
        JobItem: {
            error?: components["schemas"]["JobError"];
            /** @description Place in the batch, from 0 */
            index: number;
            /** @description The name that was given with the image, such as its file’s */
            name?: string;
            /** @description The answer of the task */
            result?: {
                [key: string]: unknown;
            };
            /** @enum {string} */
            status: "pending" | "succeeded" | "failed" | "canceled";
        };
        /** @description Newest first, without results */
        JobList: {
            jobs: components["schemas"]["Job"][];
            /** @description Where older jobs are; left out with the oldest */
            next?: string;
        };
        Key: {
            /**
             * Format: date-time
             * @description When it was made
             */
            createdAt: string;
            /**
             * Format: date-time
             * @description From when it is refused
             */
            expiresAt?: string;
            /**
             * @description How the key begins
             * @example geo2_ab12…
             */
            hint: string;
            /** @example key_abcdefghijklmnopqrstuvwxyz */
            id: string;
            /**
             * Format: date-time
             * @description When it was used last, to about ten minutes
             */
            lastUsedAt?: string;
            maxConcurrent?: number;
            name: string;
            rate?: components["schemas"]["Rate"];
            regions?: string[];
            /**
             * Format: date-time
             * @description When it was revoked
             */
            revokedAt?: string;
            scopes: ("geolocate" | "embed" | "synthesize" | "jobs" | "webhooks" | "regions:read" | "admin")[];
            tenant: string;
        };
        Keys: {
            keys: components["schemas"]["Key"][];
        };
        ModelName: {
            name: string;
            version: string;
        };
        ModelReady: {
            /** @description Whether /v1/synthesize and previews are answered */
            makesViews: boolean;
            name: string;
            ready: boolean;
            /** @description Why it is not READY */
            reason?: string;
            /** @enum {string} */
            state: "LOADING" | "READY" | "UNLOADING" | "UNAVAILABLE";
            version: string;
        };
        /**
         * @description Unless stated: the caller’s tenant, every scope but admin, the caller’s regions, the service’s own limits. Limits of its own, and another tenant, only the operator may give.
         * @example {
         *       "name": "mobile backend",
         *       "scopes": [
         *         "geolocate",
         *         "jobs"
         *       ]
         *     }
         */
        NewKey: {
            /**
             * Format: date-time
             * @description From then on the key is refused; never unless stated
             */
            expiresAt?: string;
            /** @description Requests in flight at one time */
            maxConcurrent?: number;
            /**
             * @description By which you tell it from others
             * @example mobile backend
             */
            name: string;
            rate?: components["schemas"]["Rate"];
            /** @description The only regions that the key may ask for */
            regions?: string[];
            /** @description What the key may do; admin includes all others */
            scopes?: ("geolocate" | "embed" | "synthesize" | "jobs" | "webhooks" | "regions:read" | "admin")[];
            /**
             * @description Whose key it is; what is stored belongs to a tenant
             * @example acme
             */
            tenant?: string;
        };
        /**
         * @example {
         *       "url": "https://example.org/hooks/geo2",
         *       "events": [
         *         "job.succeeded",
         *         "job.failed"
         *       ]
         *     }
         */
        NewWebhook: {
            events: ("job.succeeded" | "job.failed" | "job.canceled" | "region.published" | "region.rolled_back")[];
            /** @description By which you tell it from others */
            name?: string;
            /**
             * Format: uri
             * @description http or https, at a public address, without credentials; redirects are not followed
             */
            url: string;
        };
        /** @description Only when matched or ambiguous */
        Point: {
            /**
             * @example [
             *       0.004,
             *       -0.002
             *     ]
             */
            coordinates: number[];
            /** @enum {string} */
            type: "Point";
        };
        /** @description A GeoJSON Polygon */
        PolygonPrior: {
            coordinates: number[][][];
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "Polygon";
        };
        /** @description Where the photo may have been taken: a circle, a bbox or a GeoJSON Polygon */
        Prior: components["schemas"]["CirclePrior"] | components["schemas"]["BboxPrior"] | components["schemas"]["PolygonPrior"];
        /** @description RFC 9457 */
        Problem: {
            /** @enum {string} */
            code: "IMAGE_EMPTY" | "IMAGE_UNSUPPORTED" | "IMAGE_TRUNCATED" | "IMAGE_TOO_LARGE" | "IMAGE_TOO_SMALL" | "IMAGE_URL_REFUSED" | "IMAGE_URL_FAILED" | "INVALID_REQUEST" | "UNKNOWN_REGION" | "OUT_OF_COVERAGE" | "NO_SYNTHESIS" | "BATCH_TOO_LARGE" | "WEBHOOK_URL_REFUSED" | "WEBHOOK_LIMIT" | "WEBHOOK_DISABLED" | "SECRET_UNREADABLE" | "KEY_REQUIRED" | "KEY_INVALID" | "KEY_EXPIRED" | "KEY_REVOKED" | "SCOPE_REQUIRED" | "RATE_LIMITED" | "TOO_MANY_IN_FLIGHT" | "IDEMPOTENCY_KEY_INVALID" | "IDEMPOTENCY_KEY_REUSED" | "IDEMPOTENCY_IN_FLIGHT" | "OVERLOADED" | "DEADLINE_EXCEEDED" | "CANCELED" | "INFERENCE_CRASHED" | "INFERENCE_FAILED" | "MODEL_UNAVAILABLE" | "FILE_MISSING" | "FILE_CORRUPT" | "MANIFEST_INVALID" | "MODEL_MISMATCH" | "REGION_INVALID" | "STORE_CONFLICT" | "STORE_FAILED" | "SOURCE_INVALID" | "INDEX_INVALID" | "JOB_EXPIRED" | "JOB_ABANDONED" | "DATABASE_FAILED" | "NOT_FOUND" | "METHOD_NOT_ALLOWED" | "NOT_ACCEPTABLE" | "MALFORMED_REQUEST" | "HEADERS_TOO_LARGE" | "REQUEST_TIMEOUT" | "EXPECTATION_FAILED" | "MALFORMED_BODY" | "BODY_TOO_LARGE" | "UPLOAD_TOO_SLOW" | "JOB_ENDED" | "UNSUPPORTED_MEDIA_TYPE" | "INTERNAL";
            detail: string;
            /** @description Everything wrong with the request, each with a JSON pointer */
            errors?: {
                detail: string;
                pointer: string;
            }[];
            instance: string;
            requestId: string;
            /** @description Whether the same request may succeed later */
            retryable: boolean;
            status: number;
            title: string;
            /** @description Of the W3C trace that the request is in */
            traceId?: string;
            type: string;
        };
        /** @description Requests in a window of so many seconds */
        Rate: {
            requests: number;
            windowS: number;
        };
        Ready: {
            /** @description What searches: faiss, or exact where FAISS is not built */
            index: string;
            models: components["schemas"]["ModelReady"][];
            ready: boolean;
            reason?: string;
            regions: {
                file?: string;
                id: string;
                reason?: string;
                /** @enum {string} */
                status: "LOADING" | "READY" | "UNLOADING" | "UNAVAILABLE";
                version?: string;
            }[];
        };
        Region: {
            attribution: string;
            /**
             * @description [west, south, east, north] in degrees; west > east crosses the antimeridian
             * @example [
             *       -0.01,
             *       -0.01,
             *       0.01,
             *       0.01
             *     ]
             */
            bbox: number[];
            capturedAt: {
                end: string;
                start: string;
            } | null;
            createdAt: string;
            /** @description Directions in which each tile is embedded; 1 means aligned only */
            headings: number;
            id: string;
            imagery: {
                maxZoom: number;
                minZoom: number;
                /** @example image/webp */
                type: string;
                /** @description A template with {z}, {x} and {y} */
                url: string;
            };
            licence: string;
            metresPerTile: number;
            model: components["schemas"]["ModelName"];
            tileCount: number;
            version: string;
        };
        RegionDetail: components["schemas"]["Region"] & {
            /** @description The region’s STAC 1.1 Collection */
            collection: {
                [key: string]: unknown;
            };
        };
        Regions: {
            regions: components["schemas"]["Region"][];
        };
        RotatedSecret: {
            id: string;
            /**
             * Format: date-time
             * @description Until then each attempt has two signatures
             */
            previousSecretValidUntil: string;
            /**
             * @description What signatures are checked with: told now, and never again
             * @example whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDdPzT3b0Ci9Q=
             */
            secret: string;
        };
        /**
         * @example {
         *       "graceS": 3600
         *     }
         */
        SecretRotation: {
            /** @description How long the old secret goes on signing, too; 86400 unless stated */
            graceS?: number;
        };
        SynthesizeAnswer: {
            /** @description Cosine of the new view’s embedding with the source’s */
            consistency: number;
            /**
             * @description Which view is given, and which is made of it
             * @enum {string}
             */
            direction: "ground_to_satellite" | "satellite_to_ground";
            image: {
                /**
                 * Format: byte
                 * @description The file’s bytes; its XMP says that it is synthetic
                 */
                base64: string;
                /** @description Of a ground picture */
                fovDeg?: number;
                /** @description What the side of a tile measures */
                groundSizeM?: number;
                /** @description Azimuth of the middle of a ground picture, of what is up in a tile; left out where nothing told it */
                headingDeg?: number;
                heightPx: number;
                /** @enum {string} */
                kind: "tile" | "panorama" | "perspective";
                /** @enum {string} */
                mediaType: "image/webp" | "image/png" | "image/jpeg";
                widthPx: number;
            };
            model: components["schemas"]["ModelName"];
            /** @description What has to be told wherever the picture is shown; words of C2PA and IPTC */
            provenance: {
                /** Format: date-time */
                createdAt: string;
                digitalSourceType: string;
                generator: string;
                /** @enum {string} */
                source: "image" | "location";
                /** @enum {boolean} */
                synthetic: true;
            };
            /** @description Why the answer deserves less trust */
            reasons: string[];
            /** @description Whose imagery was read, where a location was given */
            region?: {
                attribution: string;
                id: string;
                version: string;
            };
            requestId: string;
            solver: {
                /** @description Of the velocity */
                evaluations: number;
                /**
                 * @description How the flow is followed; dopri5 chooses its steps itself. The model’s own unless asked
                 * @enum {string}
                 */
                name: "euler" | "heun" | "rk4" | "dopri5";
                steps: number;
            };
            timingMs: {
                decode: number;
                encode: number;
                inference: number;
                queue: number;
                total: number;
            };
        };
        /**
         * @example {
         *       "direction": "ground_to_satellite"
         *     }
         */
        SynthesizeOptions: {
            /**
             * @description Which view is given, and which is made of it
             * @enum {string}
             */
            direction: "ground_to_satellite" | "satellite_to_ground";
            /**
             * @description Of the picture in a JSON answer; webp unless asked
             * @enum {string}
             */
            format?: "webp" | "png" | "jpeg";
            /** @description ground_to_satellite: of the photo. satellite_to_ground: of a perspective picture, 30 to 100; the panorama (360) unless asked */
            fovDeg?: number;
            /** @description What the shorter side of an aerial image measures; a tile of the model unless told */
            groundSizeM?: number;
            /** @description ground_to_satellite: azimuth of the photo’s middle. satellite_to_ground: where the picture looks; 0 unless asked */
            headingDeg?: number;
            /**
             * @description How the flow is followed; dopri5 chooses its steps itself. The model’s own unless asked
             * @enum {string}
             */
            solver?: "euler" | "heun" | "rk4" | "dopri5";
            /** @description Of the solver: more are slower and closer to the exact way. The model’s own unless asked */
            steps?: number;
            /** @description Of the picture. A tile is square, a panorama 4:1, a perspective 4:3 */
            widthPx?: number;
        };
        /**
         * @description location: [longitude, latitude] in a covered area, for satellite_to_ground
         * @example {
         *       "direction": "satellite_to_ground",
         *       "location": [
         *         0.001,
         *         0.002
         *       ],
         *       "headingDeg": 90,
         *       "fovDeg": 90
         *     }
         */
        SynthesizeRequest: {
            /**
             * @description Which view is given, and which is made of it
             * @enum {string}
             */
            direction: "ground_to_satellite" | "satellite_to_ground";
            /**
             * @description Of the picture in a JSON answer; webp unless asked
             * @enum {string}
             */
            format?: "webp" | "png" | "jpeg";
            /** @description ground_to_satellite: of the photo. satellite_to_ground: of a perspective picture, 30 to 100; the panorama (360) unless asked */
            fovDeg?: number;
            /** @description What the shorter side of an aerial image measures; a tile of the model unless told */
            groundSizeM?: number;
            /** @description ground_to_satellite: azimuth of the photo’s middle. satellite_to_ground: where the picture looks; 0 unless asked */
            headingDeg?: number;
            image?: components["schemas"]["ImageReference"];
            /**
             * @example [
             *       0.004,
             *       -0.002
             *     ]
             */
            location?: number[];
            /**
             * @description How the flow is followed; dopri5 chooses its steps itself. The model’s own unless asked
             * @enum {string}
             */
            solver?: "euler" | "heun" | "rk4" | "dopri5";
            /** @description Of the solver: more are slower and closer to the exact way. The model’s own unless asked */
            steps?: number;
            /** @description Of the picture. A tile is square, a panorama 4:1, a perspective 4:3 */
            widthPx?: number;
        } & (unknown | unknown);
        Webhook: {
            /**
             * Format: date-time
             * @description When it was made
             */
            createdAt: string;
            /**
             * @description gone: it answered 410; failing: no attempt succeeded for five days
             * @enum {string}
             */
            disabledReason?: "gone" | "failing";
            events: ("job.succeeded" | "job.failed" | "job.canceled" | "region.published" | "region.rolled_back")[];
            /**
             * Format: date-time
             * @description The first failed attempt since the last that succeeded
             */
            failingSince?: string;
            /** @example ep_abcdefghijklmnopqrstuvwxyz */
            id: string;
            name?: string;
            /** @enum {string} */
            status: "enabled" | "disabled";
            url: string;
        };
        WebhookDeliveries: {
            deliveries: components["schemas"]["WebhookDelivery"][];
            /** @description `after` of the next page; missing on the last */
            next?: string;
        };
        WebhookDelivery: {
            /** @description The latest 20, in order */
            attempts: {
                /**
                 * Format: date-time
                 * @description When it began
                 */
                at: string;
                durationMs: number;
                /** @description Why it did not succeed */
                error?: string;
                /** @enum {string} */
                outcome: "succeeded" | "redirected" | "gone" | "rejected" | "timeout" | "unreachable" | "unresolved" | "refused" | "unsigned";
                /** @description Of the answer, where there was one */
                status?: number;
            }[];
            /**
             * Format: date-time
             * @description When it happened
             */
            createdAt: string;
            /**
             * @description webhook-id of its attempts
             * @example msg_abcdefghijklmnopqrstuvwxyz
             */
            eventId: string;
            /** @example dlv_abcdefghijklmnopqrstuvwxyz */
            id: string;
            /**
             * Format: date-time
             * @description While it is pending
             */
            nextAttemptAt?: string;
            /**
             * @description pending: attempts go on; failed: they do not, until it is resent or recovered
             * @enum {string}
             */
            status: "pending" | "succeeded" | "failed";
            /** @example job.succeeded */
            type: string;
        };
        WebhookRecovered: {
            recovered: number;
        };
        /**
         * @example {
         *       "since": "2027-01-31T00:00:00Z"
         *     }
         */
        WebhookRecovery: {
            /**
             * Format: date-time
             * @description All that failed and happened since then is sent again
             */
            since: string;
        };
        Webhooks: {
            webhooks: components["schemas"]["Webhook"][];
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type BatchImage = components['schemas']['BatchImage'];
export type BatchRequest = components['schemas']['BatchRequest'];
export type BatchResult = components['schemas']['BatchResult'];
export type BboxPrior = components['schemas']['BboxPrior'];
export type Candidate = components['schemas']['Candidate'];
export type CirclePrior = components['schemas']['CirclePrior'];
export type Coverage = components['schemas']['Coverage'];
export type CreatedKey = components['schemas']['CreatedKey'];
export type CreatedWebhook = components['schemas']['CreatedWebhook'];
export type EmbedAnswer = components['schemas']['EmbedAnswer'];
export type EmbedImage = components['schemas']['EmbedImage'];
export type EmbedOptions = components['schemas']['EmbedOptions'];
export type EmbedRequest = components['schemas']['EmbedRequest'];
export type GeolocateAnswer = components['schemas']['GeolocateAnswer'];
export type GeolocateFeatureCollection = components['schemas']['GeolocateFeatureCollection'];
export type GeolocateOptions = components['schemas']['GeolocateOptions'];
export type GeolocateRequest = components['schemas']['GeolocateRequest'];
export type ImageReference = components['schemas']['ImageReference'];
export type Job = components['schemas']['Job'];
export type JobError = components['schemas']['JobError'];
export type JobEvent = components['schemas']['JobEvent'];
export type JobItem = components['schemas']['JobItem'];
export type JobList = components['schemas']['JobList'];
export type Key = components['schemas']['Key'];
export type Keys = components['schemas']['Keys'];
export type ModelName = components['schemas']['ModelName'];
export type ModelReady = components['schemas']['ModelReady'];
export type NewKey = components['schemas']['NewKey'];
export type NewWebhook = components['schemas']['NewWebhook'];
export type Point = components['schemas']['Point'];
export type PolygonPrior = components['schemas']['PolygonPrior'];
export type Prior = components['schemas']['Prior'];
export type Problem = components['schemas']['Problem'];
export type Rate = components['schemas']['Rate'];
export type Ready = components['schemas']['Ready'];
export type Region = components['schemas']['Region'];
export type RegionDetail = components['schemas']['RegionDetail'];
export type Regions = components['schemas']['Regions'];
export type RotatedSecret = components['schemas']['RotatedSecret'];
export type SecretRotation = components['schemas']['SecretRotation'];
export type SynthesizeAnswer = components['schemas']['SynthesizeAnswer'];
export type SynthesizeOptions = components['schemas']['SynthesizeOptions'];
export type SynthesizeRequest = components['schemas']['SynthesizeRequest'];
export type Webhook = components['schemas']['Webhook'];
export type WebhookDeliveries = components['schemas']['WebhookDeliveries'];
export type WebhookDelivery = components['schemas']['WebhookDelivery'];
export type WebhookRecovered = components['schemas']['WebhookRecovered'];
export type WebhookRecovery = components['schemas']['WebhookRecovery'];
export type Webhooks = components['schemas']['Webhooks'];
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
