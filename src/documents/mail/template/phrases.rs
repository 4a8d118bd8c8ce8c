//! What mails say in each language. `{name}`, `{seller}` and `{number}` stand for the values of the document.

use super::{Kind, Language};

/// The words of one language.
pub struct Phrases {
    /// With the comma, or what the language has instead.
    pub greeting: &'static str,
    pub number: &'static str,
    pub date: &'static str,
    pub due: &'static str,
    pub total: &'static str,
    pub closing: &'static str,
    pub invoice: KindPhrases,
    pub credit_note: KindPhrases,
    pub overdue: KindPhrases,
}

pub struct KindPhrases {
    pub subject: &'static str,
    pub sentence: &'static str,
}

impl Phrases {
    pub const fn kind(&self, kind: Kind) -> &KindPhrases {
        match kind {
            Kind::Invoice => &self.invoice,
            Kind::CreditNote => &self.credit_note,
            Kind::Overdue => &self.overdue,
        }
    }
}

pub const fn of(language: Language) -> &'static Phrases {
    match language {
        Language::English => &ENGLISH,
        Language::German => &GERMAN,
        Language::French => &FRENCH,
        Language::Spanish => &SPANISH,
        Language::Hindi => &HINDI,
        Language::Arabic => &ARABIC,
        Language::Japanese => &JAPANESE,
    }
}

const fn says(subject: &'static str, sentence: &'static str) -> KindPhrases {
    KindPhrases { subject, sentence }
}

const ENGLISH: Phrases = Phrases {
    greeting: "Dear {name},",
    number: "Number:",
    date: "Date:",
    due: "Due by:",
    total: "Total:",
    closing: "Kind regards",
    invoice: says("Invoice {number} from {seller}", "Please find your invoice {number} attached."),
    credit_note: says("Credit note {number} from {seller}", "Please find your credit note {number} attached."),
    overdue: says(
        "Reminder: invoice {number} from {seller} is overdue",
        "We have not yet received your payment of invoice {number}. \
         If you have paid it in the meantime, please disregard this message.",
    ),
};

const GERMAN: Phrases = Phrases {
    greeting: "Guten Tag {name},",
    number: "Nummer:",
    date: "Datum:",
    due: "Fällig am:",
    total: "Gesamtbetrag:",
    closing: "Mit freundlichen Grüßen",
    invoice: says("Rechnung {number} von {seller}", "anbei erhalten Sie Ihre Rechnung {number}."),
    credit_note: says("Gutschrift {number} von {seller}", "anbei erhalten Sie Ihre Gutschrift {number}."),
    overdue: says(
        "Zahlungserinnerung: Rechnung {number} von {seller}",
        "für die Rechnung {number} ist bei uns noch keine Zahlung eingegangen. \
         Falls Sie inzwischen bezahlt haben, betrachten Sie diese Nachricht bitte als gegenstandslos.",
    ),
};

const FRENCH: Phrases = Phrases {
    greeting: "Bonjour {name},",
    number: "Numéro :",
    date: "Date :",
    due: "À régler avant le :",
    total: "Montant total :",
    closing: "Cordialement",
    invoice: says("Facture {number} de {seller}", "veuillez trouver ci-joint votre facture {number}."),
    credit_note: says("Avoir {number} de {seller}", "veuillez trouver ci-joint votre avoir {number}."),
    overdue: says(
        "Rappel : facture {number} de {seller} en attente de paiement",
        "nous n'avons pas encore reçu le paiement de la facture {number}. \
         Si vous l'avez réglée entre-temps, merci de ne pas tenir compte de ce message.",
    ),
};

const SPANISH: Phrases = Phrases {
    greeting: "Hola, {name}:",
    number: "Número:",
    date: "Fecha:",
    due: "Fecha de vencimiento:",
    total: "Importe total:",
    closing: "Atentamente",
    invoice: says("Factura {number} de {seller}", "Adjuntamos su factura {number}."),
    credit_note: says("Factura rectificativa {number} de {seller}", "Adjuntamos su factura rectificativa {number}."),
    overdue: says(
        "Recordatorio: factura {number} de {seller} vencida",
        "Todavía no hemos recibido el pago de la factura {number}. \
         Si ya la ha pagado, le rogamos que no tenga en cuenta este mensaje.",
    ),
};

const HINDI: Phrases = Phrases {
    greeting: "प्रिय {name},",
    number: "संख्या:",
    date: "दिनांक:",
    due: "देय तिथि:",
    total: "कुल राशि:",
    closing: "सादर",
    invoice: says("{seller} का इनवॉइस {number}", "आपका इनवॉइस {number} संलग्न है।"),
    credit_note: says("{seller} का क्रेडिट नोट {number}", "आपका क्रेडिट नोट {number} संलग्न है।"),
    overdue: says(
        "अनुस्मारक: {seller} का इनवॉइस {number} बकाया है",
        "हमें इनवॉइस {number} का भुगतान अभी तक प्राप्त नहीं हुआ है। यदि आप भुगतान कर चुके हैं, तो कृपया इस संदेश पर ध्यान न दें।",
    ),
};

const ARABIC: Phrases = Phrases {
    greeting: "مرحبًا {name}،",
    number: "الرقم:",
    date: "التاريخ:",
    due: "تاريخ الاستحقاق:",
    total: "المبلغ الإجمالي:",
    closing: "مع أطيب التحيات",
    invoice: says("فاتورة {number} من {seller}", "تجدون مرفقًا فاتورتكم رقم {number}."),
    credit_note: says("إشعار دائن {number} من {seller}", "تجدون مرفقًا الإشعار الدائن رقم {number}."),
    overdue: says(
        "تذكير: الفاتورة {number} من {seller} متأخرة السداد",
        "لم نستلم بعد سداد الفاتورة رقم {number}. إذا كنتم قد سددتموها في هذه الأثناء، فيرجى تجاهل هذه الرسالة.",
    ),
};

const JAPANESE: Phrases = Phrases {
    greeting: "{name} 様",
    number: "番号：",
    date: "日付：",
    due: "お支払期限：",
    total: "合計金額：",
    closing: "よろしくお願いいたします。",
    invoice: says("【{seller}】請求書 {number}", "請求書 {number} を添付いたします。"),
    credit_note: says("【{seller}】返金明細書 {number}", "返金明細書 {number} を添付いたします。"),
    overdue: says(
        "【{seller}】請求書 {number} のお支払いについて",
        "請求書 {number} のお支払いをまだ確認できておりません。すでにお支払い済みの場合は、本メールをご容赦ください。",
    ),
};
