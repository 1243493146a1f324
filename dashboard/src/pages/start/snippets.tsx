import { useState } from "react";
import { baseUrl } from "@/api/chat";
import { LANGUAGES, snippet, type Language } from "@/text/snippets";
import { Code } from "@/ui/copy";
import { cx } from "@/ui/classes";

/** The same call in three languages, ready to be pasted. */
export function Snippets({ secret, model }: { secret: string | undefined; model: string }) {
  const [language, setLanguage] = useState<Language>("curl");
  const text = snippet(language, { baseUrl: baseUrl(), key: secret ?? "YOUR_KEY", model, prompt: "Hello" });
  const languages = (
    <div role="group" aria-label="Language" className="-ml-2 flex">
      {LANGUAGES.map((each) => (
        <button
          key={each}
          type="button"
          aria-pressed={each === language}
          onClick={() => setLanguage(each)}
          className={cx("h-9 rounded-md px-2.5 md:h-8", each === language ? "font-medium text-accent" : "text-quiet hover:text-ink")}
        >
          {each}
        </button>
      ))}
    </div>
  );
  return <Code text={text} label={`${language} example`} head={languages} />;
}
