import { useState } from "react";
import { baseUrl } from "@/api/chat";
import { LANGUAGES, snippet, type Language } from "@/text/snippets";
import { Code } from "@/ui/copy";
import { cx } from "@/ui/classes";

/** The same call in three languages, ready to be pasted. */
export function Snippets({ secret, model }: { secret: string | undefined; model: string }) {
  const [language, setLanguage] = useState<Language>("curl");
  const text = snippet(language, { baseUrl: baseUrl(), key: secret ?? "YOUR_KEY", model, prompt: "Hello" });
  return (
    <div>
      <div role="group" aria-label="Language" className="mb-2 inline-flex rounded-lg border border-line bg-sunken p-0.5">
        {LANGUAGES.map((each) => (
          <button
            key={each}
            type="button"
            aria-pressed={each === language}
            onClick={() => setLanguage(each)}
            className={cx(
              "h-9 rounded-md px-3 text-[0.93rem] md:h-7.5",
              each === language ? "bg-surface font-medium shadow-card ring-1 ring-line" : "text-quiet hover:text-ink",
            )}
          >
            {each}
          </button>
        ))}
      </div>
      <Code text={text} label={`${language} example`} />
    </div>
  );
}
