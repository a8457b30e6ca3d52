from django.urls import path, re_path

from openai_api.views.audio import SpeechView
from openai_api.views.chat import ChatCompletionsView, InputTokensView
from openai_api.views.completions import CompletionsView
from openai_api.views.embeddings import EmbeddingsView
from openai_api.views.files import FileContentView, FilesView, FileView
from openai_api.views.images import EditsView, GenerationsView, VariationsView
from openai_api.views.media import MediaView
from openai_api.views.models import ModelsView, ModelView
from openai_api.views.moderations import ModerationsView
from openai_api.views.passing import RerankView, ResponsesView
from openai_api.views.service import HealthView, MetricsView, NotFoundView, ReadyView
from openai_api.views.transcriptions import TranscriptionsView, TranslationsView

urlpatterns = [
    path("v1/chat/completions", ChatCompletionsView.as_view()),
    path("v1/chat/completions/input_tokens", InputTokensView.as_view()),
    path("v1/completions", CompletionsView.as_view()),
    path("v1/embeddings", EmbeddingsView.as_view()),
    path("v1/audio/speech", SpeechView.as_view()),
    path("v1/images/generations", GenerationsView.as_view()),
    path("v1/images/edits", EditsView.as_view()),
    path("v1/images/variations", VariationsView.as_view()),
    path("v1/audio/transcriptions", TranscriptionsView.as_view()),
    path("v1/audio/translations", TranslationsView.as_view()),
    path("v1/files", FilesView.as_view()),
    path("v1/files/<str:file_id>", FileView.as_view()),
    path("v1/files/<str:file_id>/content", FileContentView.as_view()),
    path("v1/models", ModelsView.as_view()),
    path("v1/models/<path:model>", ModelView.as_view()),
    path("v1/moderations", ModerationsView.as_view()),
    path("media/<str:name>", MediaView.as_view()),
    path("v1/rerank", RerankView.as_view()),
    path("v1/responses", ResponsesView.as_view()),
    path("health", HealthView.as_view()),
    path("ready", ReadyView.as_view()),
    path("metrics", MetricsView.as_view()),
    re_path("", NotFoundView.as_view()),
]
