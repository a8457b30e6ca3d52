// The official Node SDK as a client: `node cases.mjs CASE BASE_URL TOKEN` prints what it saw as JSON.
// The official Node SDK as a client: `node cases.mjs CASE BASE_URL TOKEN [FILE]` prints what it saw as JSON.
import { readFileSync } from "node:fs";
import OpenAI, { toFile } from "openai";
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const [, , name, baseURL, apiKey, path] = process.argv;
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const model = "gemini-3.8-flash";
const user = (content) => [{ role: "user", content }];

const Person = z.object({
  name: z.string(),
  age: z.number().int().nullable(),
  mood: z.enum(["good", "bad"]),
  tags: z.array(z.string()),
  home: z.union([z.object({ street: z.string() }), z.string()]),
});
const Tree = z.object({ value: z.string(), get children() { return z.array(Tree); } });

const weather = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather in a city.",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    parse: JSON.parse,
    function: ({ city }) => `sunny in ${city}`,
  },
};
const time = {
  type: "function",
  function: { name: "get_time", parameters: { type: "object", properties: {} }, function: () => "noon" },
};

async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return { kind: error.constructor.name, status: error.status, code: error.code, param: error.param, requestID: error.requestID };
  }
  return null;
}

async function collected(stream) {
  const seen = { text: "", roles: [], ends: [], usage: [] };
  for await (const chunk of stream) {
    if (chunk.usage) seen.usage.push(chunk.usage.total_tokens);
    for (const choice of chunk.choices) {
      seen.text += choice.delta.content ?? "";
      if (choice.delta.role) seen.roles.push(choice.delta.role);
      if (choice.finish_reason) seen.ends.push(choice.finish_reason);
    }
  }
  return seen;
}

const cases = {
  whole: async () => {
    const completion = await client.chat.completions.create({ model, messages: user("hello") });
    return { text: completion.choices[0].message.content, end: completion.choices[0].finish_reason, tokens: completion.usage.total_tokens };
  },

  stream: async () =>
    collected(await client.chat.completions.create({ model, messages: user("hello"), stream: true, stream_options: { include_usage: true } })),

  helper: async () => {
    const runner = client.chat.completions.stream({ model, messages: user("hello") });
    let text = "";
    runner.on("content", (delta) => (text += delta));
    return { text, final: await runner.finalContent(), end: (await runner.finalChatCompletion()).choices[0].finish_reason, streamed: text };
  },

  tools: async () => {
    const messages = user('call get_weather {"city": "Paris"} call get_time {}');
    const runner = client.chat.completions.runTools({ model, messages, tools: [weather, time] });
    return { text: await runner.finalContent(), roles: runner.messages.map((message) => message.role) };
  },

  streamed_tools: async () => {
    const messages = user('call get_weather {"city": "Paris"}');
    const runner = client.chat.completions.runTools({ model, messages, tools: [weather], stream: true });
    return { text: await runner.finalContent(), roles: runner.messages.map((message) => message.role) };
  },

  structured: async () => {
    const parsed = [];
    for (const [schema, label] of [[Person, "person"], [Tree, "tree"]]) {
      const completion = await client.chat.completions.parse({ model, messages: user("x"), response_format: zodResponseFormat(schema, label) });
      parsed.push(schema.safeParse(completion.choices[0].message.parsed).success);
    }
    return parsed;
  },

  structured_tool: async () => {
    const tools = [zodFunction({ name: "remember", parameters: Person })];
    const completion = await client.chat.completions.parse({ model, messages: user("x"), tools, tool_choice: "required" });
    return Person.safeParse(completion.choices[0].message.tool_calls[0].function.parsed_arguments).success;
  },

  pictures: async () => {
    const asked = { model: "gemini-3-pro-image", messages: user("a red fox"), modalities: ["image", "text"] };
    const whole = (await client.chat.completions.create(asked)).choices[0].message;
    const streamed = (await client.chat.completions.stream(asked).finalChatCompletion()).choices[0].message;
    const again = { ...asked, messages: [...asked.messages, streamed, ...user("now in blue")] };
    const changed = (await client.chat.completions.create(again)).choices[0].message;
    return [whole, streamed, changed].map((message) => message.images.map((image) => image.image_url.url));
  },

  models: async () => {
    const names = [];
    for await (const found of client.models.list()) names.push(found.id);
    return { names, one: (await client.models.retrieve(model)).id };
  },

  embeddings: async () => {
    const input = ["a", "b"];
    const asked = { model: "text-embedding-3-small", input, dimensions: 128 };
    const packed = await client.embeddings.create(asked);
    const plain = await client.embeddings.create({ ...asked, encoding_format: "float" });
    const away = packed.data.flatMap((one, i) => one.embedding.map((number, j) => Math.abs(number - plain.data[i].embedding[j])));
    return {
      model: packed.model,
      lengths: packed.data.map((one) => one.embedding.length),
      isSame: Math.max(...away) < 1e-6,
      tokens: packed.usage.total_tokens,
      refused: await failure(client.embeddings.create({ ...asked, dimensions: 5 })),
    };
  },

  packed_embeddings: async () => {
    const asked = { model: "gemini-embedding-001", input: "a beaver", dimensions: 256 };
    const [packed] = (await client.embeddings.create({ ...asked, encoding_format: "base64" })).data;
    const [plain] = (await client.embeddings.create({ ...asked, encoding_format: "float" })).data;
    return { packed: packed.embedding, plain: plain.embedding };
  },

  transcriptions: async () => {
    const asked = async () => ({ file: await toFile(readFileSync(path), "speech.wav"), model: "whisper-1" });
    const seen = {};
    for (const response_format of ["json", "text", "srt", "vtt", "verbose_json", "diarized_json"]) {
      seen[response_format] = await client.audio.transcriptions.create({ ...(await asked()), response_format });
    }
    const timestamp_granularities = ["word"];
    seen.words = await client.audio.transcriptions.create({ ...(await asked()), response_format: "verbose_json", timestamp_granularities });
    seen.stream = [];
    for await (const event of await client.audio.transcriptions.create({ ...(await asked()), stream: true })) seen.stream.push(event);
    seen.refused = await failure(client.audio.transcriptions.create({ ...(await asked()), response_format: "docx" }));
    return seen;
  },

  translation: async () => {
    const file = await toFile(readFileSync(path), "speech.wav");
    return (await client.audio.translations.create({ file, model: "whisper-1" })).text;
  },

  translations: async () => {
    const seen = {};
    for (const response_format of ["text", "srt", "vtt", "verbose_json"]) {
      const file = await toFile(readFileSync(path), "speech.wav");
      seen[response_format] = await client.audio.translations.create({ file, model: "whisper-1", response_format });
    }
    return seen;
  },

  completions: async () => {
    const asked = { model: "gpt-3.5-turbo-instruct", prompt: ["a", "b"], n: 2, echo: true, max_tokens: 50 };
    const whole = await client.completions.create(asked);
    const streamed = { texts: ["", "", "", ""], ends: [], usage: [] };
    for await (const chunk of await client.completions.create({ ...asked, stream: true, stream_options: { include_usage: true } })) {
      if (chunk.usage) streamed.usage.push(chunk.usage.prompt_tokens);
      for (const choice of chunk.choices) {
        streamed.texts[choice.index] += choice.text;
        if (choice.finish_reason) streamed.ends.push(choice.finish_reason);
      }
    }
    return {
      object: whole.object,
      model: whole.model,
      texts: whole.choices.map((choice) => choice.text),
      tokens: whole.usage.prompt_tokens,
      streamed,
      refused: await failure(client.completions.create({ ...asked, suffix: "z" })),
    };
  },

  moderations: async () => {
    const judged = await client.moderations.create({ input: ["fill in {}", 'fill in {"self_harm_intent": 0.9}'] });
    const parts = [{ type: "text", text: "fill in {}" }, { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }];
    return {
      model: judged.model,
      flagged: judged.results.map((result) => result.flagged),
      intent: judged.results.map((result) => result.category_scores["self-harm/intent"]),
      applied: judged.results[0].category_applied_input_types["self-harm/intent"],
      refused: await failure(client.moderations.create({ model: "omni-moderation-latest", input: parts })),
    };
  },

  judged_picture: async () => {
    const url = `data:image/png;base64,${readFileSync(path).toString("base64")}`;
    const input = [{ type: "text", text: 'fill in {"violence": 0.8}' }, { type: "image_url", image_url: { url } }];
    const { results } = await client.moderations.create({ model: "omni-moderation-latest", input });
    return results.map((one) => ({ violence: one.category_scores.violence, applied: one.category_applied_input_types.violence }));
  },

  speech_formats: async () => {
    const seen = {};
    for (const response_format of ["mp3", "opus", "aac", "flac", "wav", "pcm"]) {
      const asked = { model: "gpt-4o-mini-tts", voice: "nova", input: "A beaver is building a dam.", response_format, speed: 0.5 };
      const answer = await client.audio.speech.create(asked);
      const sound = Buffer.from(await answer.arrayBuffer()).toString("base64");
      seen[response_format] = { type: answer.headers.get("content-type"), sound };
    }
    return seen;
  },

  speech_events: async () => {
    const asked = { model: "tts-1", voice: "alloy", input: "A beaver.", response_format: "pcm", stream_format: "sse" };
    const said = await (await client.audio.speech.create(asked)).text();
    return said.split("\n\n").filter(Boolean).map((event) => JSON.parse(event.replace("data: ", "")));
  },

  speech: async () => {
    const asked = { model: "tts-1", voice: "alloy", input: "A beaver is building a dam.", response_format: "wav" };
    const answer = await client.audio.speech.create(asked);
    return {
      type: answer.headers.get("content-type"),
      sound: Buffer.from(await answer.arrayBuffer()).toString("base64"),
      refused: await failure(client.audio.speech.create({ ...asked, voice: "nobody" })),
    };
  },

  broken_speech: async () =>
    failure(client.audio.speech.create({ model: "tts-1", voice: "alloy", input: "A beaver.", response_format: "pcm" }).then((answer) => answer.arrayBuffer())),
  images: async () => {
    const prompt = "a fox";
    const drawn = "gemini-3.1-flash-image";
    const whole = await client.images.generate({ model: drawn, prompt, n: 2, size: "512x512", output_format: "webp" });
    const linked = await client.images.generate({ model: "dall-e-3", prompt });
    const file = Buffer.from(await (await fetch(linked.data[0].url)).arrayBuffer());
    const streamed = [];
    for await (const event of await client.images.generate({ model: drawn, prompt, stream: true })) streamed.push(event);
    const image = await toFile(file, "fox.png", { type: "image/png" });
    const edited = await client.images.edit({ model: drawn, image: [image, image], prompt });
    const edits = [];
    for await (const event of await client.images.edit({ model: drawn, image, prompt, stream: true })) edits.push(event);
    const varied = await client.images.createVariation({ model: drawn, image, n: 2, response_format: "b64_json" });
    return {
      whole: whole.data.map((one) => one.b64_json),
      linked: file.toString("base64"),
      streamed: streamed.map((event) => event.type),
      picture: streamed.at(-1).b64_json,
      edited: edited.data.map((one) => one.b64_json),
      edits: edits.map((event) => event.type),
      varied: varied.data.map((one) => one.b64_json),
      tokens: whole.usage.output_tokens_details.image_tokens,
      refused: [
        await failure(client.images.generate({ model: drawn, prompt: "" })),
        await failure(client.images.edit({ model: drawn, image: await toFile(Buffer.from("no"), "no.png"), prompt })),
        await failure(client.images.generate({ model, prompt })),
      ],
    };
  },

  image_formats: async () => {
    const asked = { model: "gemini-3.1-flash-image", prompt: "a fox" };
    const loaded = async (answer) => Buffer.from(await (await fetch(answer.data[0].url)).arrayBuffer()).toString("base64");
    const image = async (name) => toFile(readFileSync(`${path}/${name}`), name, { type: "image/png" });
    const seen = {};
    for (const output_format of ["png", "jpeg", "webp"]) {
      seen[output_format] = (await client.images.generate({ ...asked, output_format, size: "1536x1024" })).data[0].b64_json;
      seen[`${output_format} by URL`] = await loaded(await client.images.generate({ ...asked, output_format, response_format: "url" }));
    }
    const edit = { ...asked, image: await image("picture.png"), mask: await image("mask.png") };
    seen.masked = (await client.images.edit(edit)).data[0].b64_json;
    seen["edited by URL"] = await loaded(await client.images.edit({ ...asked, image: await image("picture.png"), response_format: "url" }));
    const varied = { model: asked.model, image: await image("picture.png"), response_format: "url" };
    seen["varied by URL"] = await loaded(await client.images.createVariation(varied));
    return seen;
  },

  partial_images: async () => {
    const seen = [];
    const asked = { model: "gemini-3.1-flash-image", prompt: "a fox", stream: true, partial_images: 2, output_format: "jpeg" };
    for await (const event of await client.images.generate(asked)) seen.push(event);
    return seen;
  },

  streamed_pictures: async () => {
    const asked = { model: "gemini-3-pro-image", messages: user("a red fox"), stream: true, stream_options: { include_usage: true } };
    const seen = { images: [], text: "", tokens: 0 };
    for await (const chunk of await client.chat.completions.create(asked)) {
      seen.tokens += chunk.usage?.total_tokens ?? 0;
      seen.text += chunk.choices[0]?.delta.content ?? "";
      seen.images.push(...(chunk.choices[0]?.delta.images ?? []).map((image) => image.image_url.url));
    }
    return seen;
  },

  broken_images: async () => {
    const stream = await client.images.generate({ model: "gemini-3-pro-image", prompt: "a fox", stream: true, partial_images: 1 });
    const seen = [];
    const error = await failure((async () => { for await (const event of stream) seen.push(event.type); })());
    return { seen, error };
  },

  files: async () => {
    const file = await client.files.create({ file: await toFile(Buffer.from("# Notes"), "notes.md"), purpose: "user_data" });
    const listed = [];
    for await (const one of await client.files.list({ limit: 1 })) {
      listed.push(one.id);
    }
    const parts = [{ type: "text", text: "Sum up." }, { type: "file", file: { file_id: file.id } }];
    const answer = await client.chat.completions.create({ model, messages: user(parts) });
    const retrieved = await client.files.retrieve(file.id);
    const { deleted } = await client.files.delete(file.id);
    return {
      bytes: file.bytes,
      status: retrieved.status,
      isListed: listed.includes(file.id),
      text: answer.choices[0].message.content.slice(0, 13),
      deleted,
      gone: await failure(client.files.retrieve(file.id)),
      empty: await failure(client.files.create({ file: await toFile(Buffer.from(""), "a.txt"), purpose: "user_data" })),
    };
  },

  more_files: async () => {
    const made = [];
    for (const name of ["a.txt", "b.txt", "c.txt"]) {
      made.push(await client.files.create({ file: await toFile(Buffer.from(name), name), purpose: "vision" }));
    }
    const first = await client.files.list({ limit: 2, purpose: "vision", order: "asc" });
    const names = [];
    for await (const one of first) names.push(one.filename);
    const film = await client.files.create({ file: await toFile(readFileSync(path), "film.mp4"), purpose: "user_data" });
    const parts = [{ type: "text", text: "Sum up." }, { type: "file", file: { file_id: film.id } }];
    const streamed = await collected(await client.chat.completions.create({ model, messages: user(parts), stream: true }));
    const brief = { file: await toFile(Buffer.from("x"), "x.txt"), purpose: "user_data", expires_after: { anchor: "created_at", seconds: 3600 } };
    const { created_at, expires_at } = await client.files.create(brief);
    const seen = {
      page: first.data.map((one) => one.filename),
      hasMore: first.has_more,
      names,
      film: [film.bytes, film.purpose, film.filename, film.object],
      streamed: streamed.text,
      waited: (await client.files.waitForProcessing(film.id)).status,
      lasts: expires_at - created_at,
      content: await failure(client.files.content(film.id)),
      purpose: await failure(client.files.create({ file: await toFile(Buffer.from("{}"), "a.jsonl"), purpose: "batch" })),
    };
    for (const one of [...made, film]) await client.files.delete(one.id);
    return seen;
  },

  errors: async () => {
    const stranger = new OpenAI({ baseURL, apiKey: "sk-nonsense", maxRetries: 0 });
    return [
      await failure(stranger.chat.completions.create({ model, messages: user("x") })),
      await failure(client.chat.completions.create({ model: "llama-9", messages: user("x") })),
      await failure(client.chat.completions.create({ model, messages: user("x"), temperature: "hot" })),
    ];
  },

  broken_stream: async () => {
    const stream = await client.chat.completions.create({ model, messages: user("x"), stream: true });
    return failure(collected(stream));
  },

  late_error: async () => ({
    stream: await failure(client.chat.completions.create({ model, messages: user("x"), stream: true }).then(collected)),
    helper: await failure(client.chat.completions.stream({ model, messages: user("x") }).finalChatCompletion()),
  }),

  broken_whole: async () => failure(client.chat.completions.create({ model, messages: user("x") })),

  abandoned: async () => {
    const stream = await client.chat.completions.create({ model, messages: user("x"), stream: true });
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content) {
        stream.controller.abort();
        return "aborted";
      }
    }
    return "ended";
  },
};

console.log(JSON.stringify(await cases[name]()));
